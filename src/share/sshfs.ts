import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { SharedFolderSpec } from '../config/vm-spec.ts';
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

/** What came to an end while a folder was mounted, and why. */
interface Ending {
  readonly who: 'guest' | 'server';
  readonly exit: Exit;
  readonly words: readonly string[];
}

/** Time between two looks whether a folder has come to its end, in milliseconds. */
const INTERVAL = 50;

/** A folder in a guest: its sshfs, and at the other end of an ssh channel an SFTP server of the host. */
export class SshfsMount {
  readonly folder: SharedFolderSpec;
  /** What is to be told of a folder that is gone although nobody took it away. */
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

  /** Mounts a folder, and returns once it is there. */
  static async open(
    folder: SharedFolderSpec,
    shell: MountShell,
    { server, unchanged }: { readonly server: string; readonly unchanged: readonly string[] },
    signal: AbortSignal,
  ): Promise<SshfsMount> {
    const gate = new SftpGate(folder.host, folder.readonly, unchanged);
    const options = ['-e', ...(folder.readonly ? ['-R'] : [])];
    const served = await startChild(server, options, { fed: true, ownGroup: true });
    // at once: what it says before anybody listens is lost
    const wordsOfServer = wordsOf(served);
    const guest = await shell.start(sshfsScript(folder, shell.sudo)).catch((error: unknown) => {
      served.kill('SIGKILL');
      gate.close();
      throw error;
    });
    const said = { guest: wordsOf(guest), server: wordsOfServer };
    joinStreams(guest, served, gate);
    const first = firstEnd(
      guest.exited.then((exit): Ending => ({ who: 'guest', exit, words: said.guest.lines })),
      served.exited.then((exit): Ending => ({ who: 'server', exit, words: said.server.lines })),
    );
    const mount = new SshfsMount(folder, guest, served, gate, first);
    try {
      const ending = await unlessAborted(Promise.race([said.guest.mounted, first]), signal);
      if (ending) throw refusalOf(folder, ending);
      return mount;
    } catch (error) {
      await mount.kill();
      throw error;
    }
  }

  /** What happens from now on is meant to. */
  expectEnd(): void {
    this.#isWanted = false;
  }

  /** Waits until all that the guest wrote is on the host; it has been unmounted, or is still used by somebody there. */
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

/** What ended of its own; a server that ends in order does so because the guest has left. */
async function firstEnd(guest: Promise<Ending>, server: Promise<Ending>): Promise<Ending> {
  const first = await Promise.race([guest, server]);
  return first.who === 'server' && first.exit.code === 0 ? guest : first;
}

/** Both directions; an end on one side is passed on to the other, and how it came is told by the children. */
function joinStreams(guest: Child, server: Child, gate: SftpGate): void {
  if (!guest.stdout || !guest.stdin || !server.stdout || !server.stdin)
    throw new Error('a folder was shared without its streams');
  void pipeline(guest.stdout, gate.requests, server.stdin).catch(() => server.kill('SIGTERM'));
  void pipeline(server.stdout, gate.answers, guest.stdin).catch(() => guest.kill('SIGTERM'));
}

/** More lines than these of what a program says are not kept. */
const MOST_LINES = 10;
const MOST_CHARACTERS = 1000;

interface Words {
  readonly lines: string[];
  /** Comes when the program says that the folder is there. */
  readonly mounted: Promise<undefined>;
}

function wordsOf({ stderr }: Child): Words {
  const lines: string[] = [];
  const mounted = new Promise<undefined>((resolve) => {
    let begun = '';
    stderr?.on('data', (chunk: Buffer) => {
      const [first = '', ...more] = chunk.toString().split('\n');
      const all = [begun + first, ...more];
      // a line is as long as its writer likes, and this one is not ours
      begun = (all.pop() ?? '').slice(0, MOST_CHARACTERS);
      for (const line of all) {
        if (line === MOUNTED) resolve(undefined);
        else if (line.trim() !== '') lines.splice(MOST_LINES - 1, 1, line.slice(0, MOST_CHARACTERS));
      }
    });
  });
  return { lines, mounted };
}

/** A shared folder as people name it. */
export function pairOf({ host, guest }: SharedFolderSpec): string {
  return `shared folder ${host}:${guest}`;
}

function refusalOf(folder: SharedFolderSpec, { who, exit, words }: Ending): TransientError {
  const of = pairOf(folder);
  if (who === 'server') {
    const message = `${of}: the SFTP server of the host ended before it was mounted (${howOf(exit)})`;
    return new TransientError({ reason: 'host', message, details: words });
  }
  if (exit.code === NO_SSHFS) {
    return new TransientError({
      reason: 'guest',
      message: `${of}: there is no sshfs in the guest`,
      hint: 'install it there: it is in the package sshfs (Debian, Arch, Alpine) or fuse-sshfs (Fedora)',
    });
  }
  const what =
    exit.code === NO_DIRECTORY ? 'the directory cannot be made in the guest' : 'sshfs failed in the guest';
  const [first = howOf(exit), ...details] = words;
  return new TransientError({ reason: 'guest', message: `${of}: ${what}: ${first}`, details });
}

function lossOf(folder: SharedFolderSpec, { who, exit, words }: Ending): Problem | undefined {
  // somebody in the guest has unmounted it
  if (who === 'guest' && exit.code === 0) return undefined;
  const what = who === 'guest' ? 'its connection to the guest' : 'the SFTP server of the host';
  return {
    reason: who === 'guest' ? 'guest' : 'host',
    message: `${pairOf(folder)} is gone: ${what} ended (${howOf(exit)})`,
    hint: 'what the guest writes there from now on stays in the guest',
    ...(words.length > 0 ? { details: words } : {}),
  };
}

function howOf({ code, signal }: Exit): string {
  return signal === undefined ? `exit code ${code ?? 'unknown'}` : `killed by ${signal}`;
}
