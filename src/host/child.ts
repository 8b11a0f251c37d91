import { createInterface } from 'node:readline';
import type { Duplex, Readable, Writable } from 'node:stream';
import { PassThrough } from 'node:stream';
import { ChildEnd } from './child-end.ts';
import type { Exit } from './exit.ts';
import { commandLine, loadExeca } from './spawn.ts';

/** Options of a long-lived child. */
interface ChildOptions {
  /** Whether the child inherits our stdin and stdout; otherwise it has no stdin and its stdout is piped. */
  readonly onTerminal?: boolean;
  /** Number of connected sockets on the child's descriptors from 3 on, the other ends of which are `channels`. */
  readonly channels?: number;
  /** Whether its stdin is piped from us. */
  readonly fed?: boolean;
  /** Whether it gets its own process group, out of reach of the terminal's ^C and terminated as a whole. */
  readonly newProcessGroup?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
  /** Terminates the child when aborted. */
  readonly signal?: AbortSignal;
}

/** A long-lived child. */
export interface Child {
  readonly pid: number;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  readonly channels: readonly Duplex[];
  /** Resolves with the end of its output, or shortly after its exit once we have terminated it. Never rejects. */
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
    newProcessGroup = false,
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
    detached: newProcessGroup,
    env: environment,
  });
  // execa discards output that is not read at once; here it is buffered
  const stdout = child.stdout?.pipe(new PassThrough()) ?? null;
  const end = new ChildEnd(child, {
    reach: newProcessGroup ? 'group' : 'process',
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
 * Starts a program in its own session that outlives us and our terminal, and returns the first line that it writes to
 * descriptor 3; undefined if it ends without one.
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
