import type { RunningVm } from '../host/vm-registry.ts';
import { keyFilesOf } from './keys.ts';
import { plainPath } from './ssh-program.ts';

/** A running VM with the names that it is known by. */
interface Host {
  readonly names: readonly string[];
  readonly vm: RunningVm;
}

/** Names that mean themselves as a pattern of ssh_config(5) and that ssh takes as a host. */
const PLAIN = /^\w[\w.+:/~-]*$/;

/** A block of ssh_config(5) for each VM; keys are files that are gone with the VM. */
export async function hostBlocks(hosts: readonly Host[]): Promise<string> {
  const blocks = await Promise.all(hosts.map(hostBlock));
  return blocks.filter((block) => block !== '').join('\n');
}

async function hostBlock({ names, vm: { name, directory, ssh } }: Host): Promise<string> {
  // it may have ended while we looked
  const keys = ssh && (await keyFilesOf(directory, ssh.loginKey).catch(() => undefined));
  if (ssh === undefined || keys === undefined) return '';
  const patterns = names.filter((one) => PLAIN.test(one));
  if (patterns.length === 0) return `# ${JSON.stringify(name)} is no name that ssh takes\n`;
  const lines = [
    // ssh takes the first value it hears: what the user said when it was started comes before ours
    ...ssh.options.filter((option) => !/[\r\n]/.test(option)),
    'HostName 127.0.0.1',
    ...(ssh.sharedLogin === undefined
      ? [`Port ${ssh.port}`]
      : ['ControlMaster no', `ControlPath "${plainPath(ssh.sharedLogin)}"`]),
    `User ${ssh.user}`,
    ...keys.map((file) => `IdentityFile "${plainPath(file)}"`),
    'IdentitiesOnly yes',
    'StrictHostKeyChecking no',
    'UserKnownHostsFile /dev/null',
    'LogLevel ERROR',
  ];
  return `Host ${patterns.join(' ')}\n${lines.map((line) => `  ${line}\n`).join('')}`;
}
