import { setTimeout as delay } from 'node:timers/promises';
import type { SharedFolderSpec } from '../config/shares.ts';
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

/** Paths of the daemon: the one of QEMU up to 7, and its successor in Rust. */
const PLACES = [
  '/usr/libexec/virtiofsd',
  '/usr/lib/virtiofsd',
  '/usr/lib/qemu/virtiofsd',
  '/usr/libexec/qemu/virtiofsd',
];

const INTERVAL = 20;

/** A daemon that serves one folder to one machine, on a socket that only this user can reach. */
export class Virtiofsd {
  readonly socket: string;
  readonly #child: Child;

  private constructor(socket: string, child: Child) {
    this.socket = socket;
    this.#child = child;
  }

  /** Starts a daemon without privileges, in a user namespace that maps our user to root. */
  static async open(folder: SharedFolderSpec, socket: string, signal: AbortSignal): Promise<Virtiofsd> {
    const program = await findVirtiofsd();
    const child = await startChild('unshare', await daemonArguments(program, folder, socket, signal), {
      newProcessGroup: true,
      signal,
    });
    const stderr = tailOf(child.stderr);
    const ended = child.exited.then(() => true);
    for (let waited = 0; waited < patience('virtiofsd') && !(await exists(socket)); waited += INTERVAL) {
      if (await Promise.race([ended, delay(INTERVAL, false)])) break;
    }
    if (await exists(socket)) return new Virtiofsd(socket, child);
    child.kill('SIGKILL');
    signal.throwIfAborted();
    const message = `${pairOf(folder)}: virtiofsd did not start`;
    const details = stderr.lines.slice(-10);
    throw new TransientError({
      reason: 'host',
      message,
      details,
      hint: 'share it by sshfs instead: omit "via"',
    });
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#child.exited;
  }
}

/**
 * Rejects a virtiofs share when running as root: the guest's root could create setuid programs, which here would belong
 * to root. Removing capabilities from the daemon (`modcaps`) and killpriv_v2 do not help, since the owner of a file may
 * set its bits.
 */
export function refuseAsRoot(folder: SharedFolderSpec): void {
  if (folder.readonly || !isRoot()) return;
  throw new TransientError({
    reason: 'host',
    message: `${pairOf(folder)}: virtiofs, served by root, would let the guest leave setuid programs of root on the host`,
    hint: 'run transient as an ordinary user, share it read-only (readonly = true), or omit "via" to share it by sshfs',
  });
}

/** Finds the daemon. */
export async function findVirtiofsd(): Promise<string> {
  for (const place of PLACES) if (await hasProgram(place)) return place;
  return findProgram('virtiofsd');
}

/** Builds the arguments: the two daemons have little in common, and their help output tells them apart. */
async function daemonArguments(
  program: string,
  { host, readonly }: SharedFolderSpec,
  socket: string,
  signal: AbortSignal,
): Promise<string[]> {
  // the older one prints no help where it may not change its groups
  const { stdout } = await run(program, ['--help'], { signal }).catch(() => ({ stdout: '' }));
  const inside = ['-r', '-m', 'sh', '-c'];
  if (stdout.includes('--shared-dir')) {
    const options = ['--sandbox', 'chroot', '--socket-path', socket, '--shared-dir', host];
    return [...inside, 'exec "$0" "$@"', program, ...options, ...(readonly ? ['--readonly'] : [])];
  }
  // the older one keeps a lock file below /run; the socket's directory is entered before that is mounted over
  const protect = readonly ? 'mount --bind "$4" "$4" && mount -o remount,bind,ro "$4" && ' : '';
  const script = `${protect}cd "$1" && mount -t tmpfs tmpfs /run && exec "$0" --socket-path="$2" -o "$3"`;
  const source = `source=${host.replaceAll(/[\\,]/g, '\\$&')},sandbox=chroot`;
  const [directory, name] = [socket.replace(/\/[^/]*$/, ''), socket.replace(/.*\//, '')];
  return [...inside, script, program, directory, `./${name}`, source, host];
}
