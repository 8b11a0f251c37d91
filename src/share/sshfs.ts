import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { SharedFolderSpec } from '../config/shares.ts';
import { unlessAborted } from '../host/abort.ts';
import type { Child } from '../host/child.ts';
import { startChild } from '../host/child.ts';
import { patience } from '../host/deadline.ts';
import type { Exit } from '../host/exit.ts';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';
import { MOUNTED, NO_DIRECTORY, NO_SSHFS, sshfsScript } from './guest-scripts.ts';
import { SftpGate } from './sftp-gate.ts';
import type { MountShell } from './mount-shell.ts';

/** Which side ended while a folder was mounted, and its exit. */
interface Ending {
  readonly who: 'guest' | 'server';
  readonly exit: Exit;
  readonly words: readonly string[];
}

/** Poll interval for the end of a mount, in milliseconds. */
const INTERVAL = 50;

/** A folder mounted in a guest by sshfs, served by an SFTP server on the host over an ssh channel. */
export class SshfsMount {
  readonly folder: SharedFolderSpec;
  /** Resolves with the problem if the mount disappears unexpectedly. */
  readonly lost: Promise<Problem | undefined>;
  readonly #guest: Child;
  readonly #server: Child;
  readonly #gate: SftpGate;
  #isWanted = true;

  private constructor(
    folder: SharedFolderSpec,
    guest: Child,
    server: Child,
    gate: SftpGate,
    first: Promise<Ending>,
  ) {
    this.folder = folder;
    this.#guest = guest;
    this.#server = server;
    this.#gate = gate;
    this.lost = first.then((ending) => (this.#isWanted ? lossOf(folder, ending) : undefined));
  }

  /** Mounts a folder; resolves once it is mounted. */
  static async open(
    folder: SharedFolderSpec,
    shell: MountShell,
    { server, unchanged }: { readonly server: string; readonly unchanged: readonly string[] },
    signal: AbortSignal,
  ): Promise<SshfsMount> {
    const gate = new SftpGate(folder.host, folder.readonly, unchanged);
    const options = ['-e', ...(folder.readonly ? ['-R'] : [])];
    const served = await startChild(server, options, { fed: true, newProcessGroup: true });
    // attached at once: earlier output would be lost
    const serverOutput = watchOutput(served);
    const guest = await shell.start(sshfsScript(folder, shell.sudo)).catch((error: unknown) => {
      served.kill('SIGKILL');
      gate.close();
      throw error;
    });
    const stderr = { guest: watchOutput(guest), server: serverOutput };
    joinStreams(guest, served, gate);
    const first = firstEnd(
      guest.exited.then((exit): Ending => ({ who: 'guest', exit, words: stderr.guest.lines })),
      served.exited.then((exit): Ending => ({ who: 'server', exit, words: stderr.server.lines })),
    );
    const mount = new SshfsMount(folder, guest, served, gate, first);
    try {
      const ending = await unlessAborted(Promise.race([stderr.guest.mounted, first]), signal);
      if (ending) throw refusalOf(folder, ending);
      return mount;
    } catch (error) {
      await mount.kill();
      throw error;
    }
  }

  /** Marks the end of the mount as expected. */
  expectEnd(): void {
    this.#isWanted = false;
  }

  /**
   * Waits until all writes of the guest have reached the host, after the unmount or while the folder is still in use.
   */
  async settle(): Promise<void> {
    const ended = this.#guest.exited.then(() => true);
    const tries = patience('folder-end') / INTERVAL;
    for (let quiet = 0, count = 0; quiet < 3 && count < tries; count += 1) {
      if (await Promise.race([ended, delay(INTERVAL, false)])) break;
      quiet = this.#gate.isIdle ? quiet + 1 : 0;
    }
    this.#server.stdin?.end();
    await Promise.race([this.#server.exited, delay(patience('folder-end'))]);
    await this.kill();
  }

  async kill(): Promise<void> {
    this.expectEnd();
    this.#guest.kill('SIGKILL');
    this.#server.kill('SIGKILL');
    await Promise.all([this.#guest.exited, this.#server.exited]);
    this.#gate.close();
  }
}

/** Returns the side that ended first; a server that exits normally does so because the guest has left. */
async function firstEnd(guest: Promise<Ending>, server: Promise<Ending>): Promise<Ending> {
  const first = await Promise.race([guest, server]);
  return first.who === 'server' && first.exit.code === 0 ? guest : first;
}

/** Connects both directions; the end of one side is passed on to the other, and the children's exits tell the cause. */
function joinStreams(guest: Child, server: Child, gate: SftpGate): void {
  if (!guest.stdout || !guest.stdin || !server.stdout || !server.stdin)
    throw new Error('a folder was shared without its streams');
  void pipeline(guest.stdout, gate.requests, server.stdin).catch(() => server.kill('SIGTERM'));
  void pipeline(server.stdout, gate.answers, guest.stdin).catch(() => guest.kill('SIGTERM'));
}

/** Maximum number of output lines kept of a program. */
const MOST_LINES = 10;
const MOST_CHARACTERS = 1000;

interface ProgramOutput {
  readonly lines: string[];
  /** Resolves when the program reports the mount. */
  readonly mounted: Promise<undefined>;
}

function watchOutput({ stderr }: Child): ProgramOutput {
  const lines: string[] = [];
  const mounted = new Promise<undefined>((resolve) => {
    let partial = '';
    stderr?.on('data', (chunk: Buffer) => {
      const [first = '', ...more] = chunk.toString().split('\n');
      const all = [partial + first, ...more];
      // lines from the guest may be of any length
      partial = (all.pop() ?? '').slice(0, MOST_CHARACTERS);
      for (const line of all) {
        if (line === MOUNTED) resolve(undefined);
        else if (line.trim() !== '') lines.splice(MOST_LINES - 1, 1, line.slice(0, MOST_CHARACTERS));
      }
    });
  });
  return { lines, mounted };
}

/** Name of a shared folder in messages. */
export function pairOf({ host, guest }: SharedFolderSpec): string {
  return `shared folder ${host}:${guest}`;
}

function refusalOf(folder: SharedFolderSpec, { who, exit, words }: Ending): TransientError {
  const of = pairOf(folder);
  if (who === 'server') {
    const message = `${of}: the SFTP server on the host ended before the folder was mounted (${howOf(exit)})`;
    return new TransientError({ reason: 'host', message, details: words });
  }
  if (exit.code === NO_SSHFS) {
    return new TransientError({
      reason: 'guest',
      message: `${of}: sshfs is not installed in the guest`,
      hint: 'install the package sshfs (Debian, Arch, Alpine) or fuse-sshfs (Fedora) there',
    });
  }
  const what =
    exit.code === NO_DIRECTORY ? 'cannot create the directory in the guest' : 'sshfs failed in the guest';
  const [first = howOf(exit), ...details] = words;
  return new TransientError({ reason: 'guest', message: `${of}: ${what}: ${first}`, details });
}

function lossOf(folder: SharedFolderSpec, { who, exit, words }: Ending): Problem | undefined {
  // it was unmounted in the guest
  if (who === 'guest' && exit.code === 0) return undefined;
  const what = who === 'guest' ? 'its connection to the guest' : 'the SFTP server on the host';
  return {
    reason: who === 'guest' ? 'guest' : 'host',
    message: `${pairOf(folder)} is gone: ${what} ended (${howOf(exit)})`,
    hint: 'further writes to it stay in the guest',
    ...(words.length > 0 ? { details: words } : {}),
  };
}

function howOf({ code, signal }: Exit): string {
  return signal === undefined ? `exit code ${code ?? 'unknown'}` : `killed by ${signal}`;
}
