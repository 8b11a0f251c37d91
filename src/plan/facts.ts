import type { SharedFolderSpec, SharesSpec } from '../config/shares.ts';
import type { SshSpec } from '../config/ssh.ts';
import type { VmSpec } from '../config/vm-spec.ts';
import type { ShareWay } from '../options/values/shared-folder.ts';
import { SHARE_WAYS } from '../options/values/shared-folder.ts';
import { OPTION_TABLE } from '../options/table.ts';
import { quotedForPeople } from '../shell-quote.ts';
import type { Fact } from './step-base.ts';

/** A count with its noun. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Title of a step on a VM, whose name is quoted if it would not read as one word. */
export function vmTitle(verb: string, vm: string): string {
  return `${verb} VM ${quotedForPeople(vm)}`;
}

/** A path of the host, if there is one, after its name. */
export function pathFact(name: string, path: string | undefined): Fact | undefined {
  return path === undefined ? undefined : { text: `${name} ${path}`, path };
}

/** A program that differs from the default. */
export function programFact(
  option: 'qemu-bin-name' | 'ssh-bin-name' | 'sftp-bin-name',
  program: string,
): Fact | undefined {
  return program === OPTION_TABLE[option].default ? undefined : pathFact('program', program);
}

/** Facts of a boot. */
export function bootFacts({ machine, images, state, forwards }: VmSpec): (Fact | undefined)[] {
  const { qemuArgs, memory, cpus, cpu, program } = machine;
  // the user's own QEMU arguments win
  const smp = lastValue(qemuArgs, '-smp');
  return [
    lastValue(qemuArgs, '-m') ?? memory,
    smp === undefined ? counted(cpus, 'CPU') : `-smp ${smp}`,
    cpu === undefined ? '' : `processor ${cpu}`,
    images.map(({ name }) => name).join(' + '),
    state === undefined ? 'writes discarded' : 'writes kept',
    ...forwards.map(({ address, host, guest, protocol }) => {
      // other addresses expose the guest to the network
      const from = address === '127.0.0.1' ? '' : `${address}:`;
      return `port ${from}${host || 'any'} → ${guest}/${protocol}`;
    }),
    programFact('qemu-bin-name', program),
    qemuArgs.length === 0 ? '' : `QEMU arguments: ${qemuArgs.map(quotedForPeople).join(' ')}`,
  ];
}

/** Last value of a QEMU option, which may have one or two dashes. */
function lastValue(args: readonly string[], flag: string): string | undefined {
  const at = args.findLastIndex((argument) => argument === flag || argument === `-${flag}`);
  return at < 0 ? undefined : args[at + 1];
}

/** Facts of a login. */
export function loginFacts(
  { user, timeout, emulatedTimeout, wellKnownKeys, program, options }: SshSpec,
  closesPort: boolean,
): (Fact | undefined)[] {
  return [
    `as ${user}`,
    `within ${timeout} s${emulatedTimeout === undefined ? '' : `, or ${emulatedTimeout} s under emulation`}`,
    KEYS[wellKnownKeys],
    closesPort ? 'then closes its port' : '',
    programFact('ssh-bin-name', program),
    ...options.map((option) => `ssh option ${quotedForPeople(option)}`),
  ];
}

/** Handling of well-known keys. */
const KEYS = {
  replace: "replaces Vagrant's key",
  restore: "puts Vagrant's key back",
  leave: '',
  python: "keeps Vagrant's key",
} as const;

/** Facts of shared folders; the title names a folder that is alone. */
export function folderFacts(shares: SharesSpec, alone: boolean): Fact[] {
  return SHARE_WAYS.flatMap((way) =>
    shares[way].map((folder) => {
      const words = [alone ? '' : `${folder.host} at ${folder.guest}`, ...wordsOf(folder, way)];
      return { text: words.filter(Boolean).join(' '), path: folder.host };
    }),
  );
}

function wordsOf({ readonly }: SharedFolderSpec, way: ShareWay): string[] {
  return [
    way === 'sshfs' ? '' : `by ${way}`,
    readonly ? 'read-only' : '',
    // virtiofsd cannot filter setuid bits, and files created by the guest belong to us
    way === 'virtiofs' && !readonly ? 'with setuid bits' : '',
  ];
}
