import { setTimeout as delay } from 'node:timers/promises';
import type { SharedFolderSpec } from '../config/vm-spec.ts';
import { exists } from '../host/exists.ts';
import type { Child } from '../host/child.ts';
import { startChild } from '../host/child.ts';
import { patience } from '../host/deadline.ts';
import { isRoot } from '../host/is-root.ts';
import { tailOf } from '../host/tail.ts';
import { findProgram, hasProgram } from '../host/program.ts';
import { run } from '../host/run.ts';
import { TransientError } from '../problem.ts';
import { pairOf } from './sshfs.ts';

/** Where distributions put the daemon: the one of QEMU up to 7, and the later one in Rust. */
const PLACES = [
  '/usr/libexec/virtiofsd',
  '/usr/lib/virtiofsd',
  '/usr/lib/qemu/virtiofsd',
  '/usr/libexec/qemu/virtiofsd',
];

const INTERVAL = 20;

/** A daemon that serves one folder to one machine, by a socket that only we can reach. */
export class Virtiofsd {
  readonly socket: string;
  readonly #child: Child;

  private constructor(socket: string, child: Child) {
    this.socket = socket;
    this.#child = child;
  }

  /** Starts one without rights of its own: in a user namespace, in which our user is root. */
  static async open(folder: SharedFolderSpec, socket: string, signal: AbortSignal): Promise<Virtiofsd> {
    const program = await findVirtiofsd();
    const child = await startChild('unshare', await daemonArguments(program, folder, socket, signal), {
      ownGroup: true,
      signal,
    });
    const words = tailOf(child.stderr);
    const ended = child.exited.then(() => true);
    for (let waited = 0; waited < patience('virtiofsd') && !(await exists(socket)); waited += INTERVAL) {
      if (await Promise.race([ended, delay(INTERVAL, false)])) break;
    }
    if (await exists(socket)) return new Virtiofsd(socket, child);
    child.kill('SIGKILL');
    signal.throwIfAborted();
    const message = `${pairOf(folder)}: virtiofsd did not start`;
    const details = words.lines.slice(-10);
    throw new TransientError({ reason: 'host', message, details, hint: 'share it by sshfs: leave via out' });
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#child.exited;
  }
}

/**
 * Refuses what no daemon keeps from happening: root of the guest makes a program setuid, which here belongs to our user. Taking
 * capabilities from the daemon (`modcaps`) or killpriv_v2 do not help, since who owns a file may set its bits.
 */
export function refuseAsRoot(folder: SharedFolderSpec): void {
  if (folder.readonly || !isRoot()) return;
  throw new TransientError({
    reason: 'host',
    message: `${pairOf(folder)}: virtiofs, served by root, would let the guest leave setuid programs of root on the host`,
    hint: 'run transient as an ordinary user, share it read-only (readonly = true), or leave via out, which shares it by sshfs',
  });
}

/** The path of the daemon. */
export async function findVirtiofsd(): Promise<string> {
  for (const place of PLACES) if (await hasProgram(place)) return place;
  return findProgram('virtiofsd');
}

/** The two daemons have little in common; both can be told by the help that they print. */
async function daemonArguments(
  program: string,
  { host, readonly }: SharedFolderSpec,
  socket: string,
  signal: AbortSignal,
): Promise<string[]> {
  // the older one prints not even that where it may not change its groups
  const { stdout } = await run(program, ['--help'], { signal }).catch(() => ({ stdout: '' }));
  const inside = ['-r', '-m', 'sh', '-c'];
  if (stdout.includes('--shared-dir')) {
    const options = ['--sandbox', 'chroot', '--socket-path', socket, '--shared-dir', host];
    return [...inside, 'exec "$0" "$@"', program, ...options, ...(readonly ? ['--readonly'] : [])];
  }
  // the older one keeps a lock file below /run; the directory of the socket is found by its place in the tree before that
  const protect = readonly ? 'mount --bind "$4" "$4" && mount -o remount,bind,ro "$4" && ' : '';
  const script = `${protect}cd "$1" && mount -t tmpfs tmpfs /run && exec "$0" --socket-path="$2" -o "$3"`;
  const source = `source=${host.replaceAll(/[\\,]/g, '\\$&')},sandbox=chroot`;
  const [directory, name] = [socket.replace(/\/[^/]*$/, ''), socket.replace(/.*\//, '')];
  return [...inside, script, program, directory, `./${name}`, source, host];
}
