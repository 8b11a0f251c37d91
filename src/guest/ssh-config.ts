import type { RunningVm } from '../host/vm-registry.ts';
import { keyFilesOf } from './keys.ts';
import { hostKeyOptions, plainPath } from './ssh-program.ts';

/** A running VM and its host names. */
interface Host {
  readonly names: readonly string[];
  readonly vm: RunningVm;
}

/** Names that are literal patterns in ssh_config(5) and that ssh accepts as a host. */
const PLAIN = /^\w[\w.+:/~-]*$/;

/** Writes an ssh_config(5) block for each VM; the key files disappear with the VM. */
export async function hostBlocks(hosts: readonly Host[]): Promise<string> {
  const blocks = await Promise.all(hosts.map(hostBlock));
  return blocks.filter((block) => block !== '').join('\n');
}

async function hostBlock({ names, vm: { name, directory, ssh } }: Host): Promise<string> {
  // the VM may have ended meanwhile
  const keys = ssh && (await keyFilesOf(directory, ssh.loginKey).catch(() => undefined));
  if (ssh === undefined || keys === undefined) return '';
  const patterns = names.filter((one) => PLAIN.test(one));
  if (patterns.length === 0) return `# ${JSON.stringify(name)} is not a host name that ssh accepts\n`;
  const lines = [
    // the first value wins in ssh: options of the user come before ours
    ...ssh.options.filter((option) => !/[\r\n]/.test(option)),
    'HostName 127.0.0.1',
    ...(ssh.sharedLogin === undefined
      ? [`Port ${ssh.port}`]
      : ['ControlMaster no', `ControlPath "${plainPath(ssh.sharedLogin)}"`]),
    `User ${ssh.user}`,
    ...keys.map((file) => `IdentityFile "${plainPath(file)}"`),
    'IdentitiesOnly yes',
    ...hostKeyOptions(ssh.knownHosts).map((option) => option.replace('=', ' ')),
    'LogLevel ERROR',
  ];
  return `Host ${patterns.join(' ')}\n${lines.map((line) => `  ${line}\n`).join('')}`;
}
