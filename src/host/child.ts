import { createInterface } from 'node:readline';
import type { Duplex, Readable, Writable } from 'node:stream';
import { PassThrough } from 'node:stream';
import { ChildEnd } from './child-end.ts';
import type { Exit } from './exit.ts';
import { commandLine, loadExeca } from './spawn.ts';

/** How a long-lived child is started. */
interface ChildOptions {
  /** Our own stdin and stdout become the child's; otherwise it has no stdin and its stdout is piped. */
  readonly onTerminal?: boolean;
  /** So many connected sockets on the descriptors of the child from 3 on, the other ends of which are `channels`. */
  readonly channels?: number;
  /** We write to its stdin, which is otherwise ours or nothing. */
  readonly fed?: boolean;
  /** A process group of its own, out of reach of the terminal's ^C; it is ended as a whole. */
  readonly ownGroup?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
  /** Terminates the child when it is aborted. */
  readonly signal?: AbortSignal;
}

/** A child that lives for a while. */
export interface Child {
  readonly pid: number;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  readonly channels: readonly Duplex[];
  /** Comes with the end of its output, or shortly after that of its process once we have ended it. Never rejects. */
  readonly exited: Promise<Exit>;
  kill: (signal: 'SIGTERM' | 'SIGKILL') => void;
}

/** Starts a long-lived child. */
export async function startChild(
  program: string,
  args: readonly string[],
  options: ChildOptions,
): Promise<Child> {
  const {
    onTerminal = false,
    fed = false,
    channels = 0,
    ownGroup = false,
    environment = {},
    signal,
  } = options;
  const [file, ...rest] = await commandLine(program, args);
  const inherited = onTerminal ? 'inherit' : undefined;
  const { execa } = await loadExeca();
  const child = execa(file, rest, {
    reject: false,
    buffer: false,
    stdio: [
      fed ? 'pipe' : (inherited ?? 'ignore'),
      inherited ?? 'pipe',
      'pipe',
      ...Array.from({ length: channels }, () => 'pipe' as const),
    ],
    detached: ownGroup,
    env: environment,
  });
  // execa lets go by what nobody reads at once; here it waits for its reader
  const stdout = child.stdout?.pipe(new PassThrough()) ?? null;
  const end = new ChildEnd(child, {
    reach: ownGroup ? 'group' : 'process',
    signal,
    pipes: stdout === null ? [] : [stdout],
  });
  return {
    pid: child.pid ?? 0,
    stdin: child.stdin,
    stdout,
    stderr: child.stderr,
    channels: child.stdio.slice(3) as unknown as readonly Duplex[],
    exited: end.exited,
    kill: (name) => end.kill(name),
  };
}

/**
 * Starts a program that outlives us and our terminal, in a session of its own, and returns the first line that it writes
 * on descriptor 3; nothing where it ends without one.
 */
export async function startDetached(program: string, args: readonly string[]): Promise<string | undefined> {
  const { execa } = await loadExeca();
  const child = execa(program, args, {
    reject: false,
    buffer: false,
    cleanup: false,
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const output = child.stdio[3];
  for await (const line of createInterface({ input: output })) {
    output.destroy();
    child.unref();
    return line;
  }
  return undefined;
}
