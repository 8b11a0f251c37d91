import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import type { Duplex, Writable } from 'node:stream';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { execa as execaType } from 'execa';
import which from 'which';
import { TransientError, errorCode, systemMessage } from '../problem.ts';
import { trace } from './trace.ts';

/** How a child came to its end; a signal is given as its name. */
export interface Exit {
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

/** Output of a program that ended with 0. */
export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly signal?: AbortSignal;
  /** Our own stdin becomes the program's; it has none otherwise. */
  readonly ownStdin?: boolean;
  /** Called with each piece of stdout as it comes. */
  readonly onOutput?: (text: string) => void;
}

/** How a long-lived child is started. */
interface ChildOptions {
  /** Our own stdin and stdout become the child's; otherwise it has no stdin and its stdout is piped. */
  readonly onTerminal?: boolean;
  /** So many connected sockets on the descriptors of the child from 3 on, the other ends of which are `channels`. */
  readonly channels?: number;
  /** We write to its stdin, which is otherwise ours or nothing. */
  readonly fed?: boolean;
  /** A process group of its own, out of reach of the terminal's ^C. */
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
  /** Never rejects. */
  readonly exited: Promise<Exit>;
  kill: (signal: 'SIGTERM' | 'SIGKILL') => void;
}

/** How long a child may take to end after SIGTERM before it is killed, in milliseconds. */
const KILL_DELAY = 2000;

/** Most of our own start-up would be its loading, and what only reads and shows starts nothing. */
async function loaded(): Promise<{ readonly execa: typeof execaType }> {
  return import('execa');
}

/** The path of a program; one that is not there is told by name, with the package that may hold it. */
export async function findProgram(name: string, hint?: string): Promise<string> {
  const path = await which(name, { nothrow: true });
  if (path) return path;
  if (name.includes('/') && existsSync(name)) throw couldNotRun(name, { code: 'EACCES' });
  throw new TransientError({
    reason: 'missing-program',
    message: `Required program '${name}' is not installed`,
    ...(hint ? { hint } : {}),
  });
}

/** Runs a program to its end and returns what it printed; any other exit code than 0 is an error with its stderr. */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Output> {
  const { signal, ownStdin = false, onOutput } = options;
  const [file, ...rest] = await commandLine(program, args);
  const { execa } = await loaded();
  const child = execa(file, rest, {
    reject: false,
    stripFinalNewline: false,
    stdin: ownStdin ? 'inherit' : 'ignore',
    ...cancelledBy(signal),
  });
  if (onOutput) child.stdout.on('data', (chunk: Buffer) => onOutput(chunk.toString()));
  const result = await child;
  signal?.throwIfAborted();
  if (result.exitCode === 0) return { stdout: result.stdout, stderr: result.stderr };
  throw programFailed(program, exitOf(result), result.stderr);
}

/**
 * Runs a program on our own stdin, stdout and stderr, and tells how it ended. Where somebody is to hear what it writes, that
 * goes to our stdout and stderr through us.
 */
export async function runInForeground(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
  heard?: (stream: 'stdout' | 'stderr', bytes: Buffer) => void,
): Promise<Exit> {
  const [file, ...rest] = await commandLine(program, args);
  const output = heard === undefined ? 'inherit' : 'pipe';
  const { execa } = await loaded();
  const child = execa(file, rest, {
    reject: false,
    buffer: false,
    stdio: ['inherit', output, output],
    ...cancelledBy(signal),
  });
  for (const stream of ['stdout', 'stderr'] as const) {
    const source = child[stream];
    source?.on('data', (bytes: Buffer) => {
      heard?.(stream, bytes);
      passOn(bytes, source, process[stream]);
    });
  }
  const exit = exitOf(await child);
  signal.throwIfAborted();
  return exit;
}

/** Not pipe(), which stops the child when our reader goes away; one that is slow is waited for. */
function passOn(bytes: Buffer, source: Readable, target: Writable): void {
  if (target.write(bytes) || !target.writable) return;
  source.pause();
  const goOn = (): void => {
    for (const news of NEWS) target.off(news, goOn);
    source.resume();
  };
  for (const news of NEWS) target.once(news, goOn);
}

const NEWS = ['drain', 'error', 'close'] as const;

/** Runs a program of which only the end is of interest. */
export async function runSilently(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Exit> {
  const [file, ...rest] = await commandLine(program, args);
  const { execa } = await loaded();
  const exit = exitOf(await execa(file, rest, { reject: false, stdio: 'ignore', ...cancelledBy(signal) }));
  signal.throwIfAborted();
  return exit;
}

/** Whether a program is there. */
export async function hasProgram(name: string): Promise<boolean> {
  return (await which(name, { nothrow: true })) !== null;
}

/** What a program makes of bytes that it reads from its stdin; its failure is an error with what it said. */
export async function* filter(
  program: string,
  args: readonly string[],
  bytes: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const [file, ...rest] = await commandLine(program, args);
  const { execa } = await loaded();
  const child = execa(file, rest, { ...FILTER, stdout: 'pipe' });
  const feeding = feed(child.stdin, bytes);
  try {
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) yield chunk;
    expectSuccess(program, await child, await feeding);
  } finally {
    child.kill('SIGKILL');
  }
}

/** The same into one of our open files, without a way through us. */
export async function filterInto(
  descriptor: number,
  program: string,
  args: readonly string[],
  bytes: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const [file, ...rest] = await commandLine(program, args);
  // any descriptor of ours will do, though the types know only those of the terminal
  const { execa } = await loaded();
  const child = execa(file, rest, { ...FILTER, stdout: descriptor as 1, cancelSignal: signal });
  const feeding = feed(child.stdin, bytes);
  const result = await child;
  signal.throwIfAborted();
  expectSuccess(program, result, await feeding);
}

const FILTER = {
  reject: false,
  encoding: 'buffer',
  stdin: 'pipe',
  buffer: { stdout: false, stderr: true },
} as const;

/** Writes bytes to a program; what went wrong with them, if anything did. */
async function feed(stdin: Writable, bytes: AsyncIterable<Buffer>): Promise<unknown> {
  return pipeline(Readable.from(bytes), stdin).then(
    () => undefined,
    (error: unknown) => error,
  );
}

function expectSuccess(
  program: string,
  result: { exitCode?: number | undefined; signal?: string | undefined; stderr: Uint8Array },
  fault: unknown,
): void {
  // a program that has enough closes its end, which is no fault of the source
  if (fault !== undefined && errorCode(fault) !== 'EPIPE') throw fault as Error;
  if (result.exitCode !== 0)
    throw programFailed(program, exitOf(result), Buffer.from(result.stderr).toString());
}

/** Runs a program that works on one of our open files, which it finds as its stdin. */
export async function runOnFile(
  program: string,
  args: readonly string[],
  descriptor: number,
  signal?: AbortSignal,
): Promise<Exit> {
  const file = await findProgram(program, 'it is part of util-linux');
  const { execa } = await loaded();
  const result = await execa(file, args, {
    reject: false,
    // any descriptor of ours will do, though the types know only those of the terminal
    stdio: [descriptor as 0, 'ignore', 'ignore'],
    ...cancelledBy(signal),
  });
  signal?.throwIfAborted();
  return exitOf(result);
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
  const own = onTerminal ? 'inherit' : undefined;
  const { execa } = await loaded();
  const child = execa(file, rest, {
    reject: false,
    buffer: false,
    stdio: [
      fed ? 'pipe' : (own ?? 'ignore'),
      own ?? 'pipe',
      'pipe',
      ...Array.from({ length: channels }, () => 'pipe' as const),
    ],
    detached: ownGroup,
    env: environment,
    ...cancelledBy(signal),
  });
  return {
    pid: child.pid ?? 0,
    stdin: child.stdin,
    // execa lets go by what nobody reads at once; here it waits for its reader
    stdout: child.stdout?.pipe(new PassThrough()) ?? null,
    stderr: child.stderr,
    channels: child.stdio.slice(3) as unknown as readonly Duplex[],
    exited: child.then((result) => exitOf(result)),
    kill: (name) => child.kill(name),
  };
}

/**
 * Starts a program that outlives us and our terminal, in a session of its own, and returns the first line that it writes
 * on descriptor 3; nothing where it ends without one.
 */
export async function startDetached(program: string, args: readonly string[]): Promise<string | undefined> {
  const { execa } = await loaded();
  const child = execa(program, args, {
    reject: false,
    buffer: false,
    cleanup: false,
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const said = child.stdio[3];
  for await (const line of createInterface({ input: said })) {
    said.destroy();
    child.unref();
    return line;
  }
  return undefined;
}

async function commandLine(program: string, args: readonly string[]): Promise<[string, ...string[]]> {
  const path = await findProgram(program);
  trace('info', () => [program, ...args].map(quoted).join(' '));
  if (process.platform !== 'linux') return [path, ...args];
  await findProgram('setpriv', 'it is part of util-linux');
  return dyingWithUs([path, ...args]);
}

function cancelledBy(signal: AbortSignal | undefined): {
  cancelSignal?: AbortSignal;
  forceKillAfterDelay: number;
} {
  return { forceKillAfterDelay: KILL_DELAY, ...(signal ? { cancelSignal: signal } : {}) };
}

/**
 * A command line that the kernel kills when we die, also by SIGKILL: the parent-death signal of Linux.
 * The child compares its parent with us, since we may die before the signal is set.
 */
function dyingWithUs(command: readonly string[]): [string, ...string[]] {
  const check = '[ "$PPID" = "$0" ] && exec "$@"';
  return ['setpriv', '--pdeathsig', 'KILL', 'sh', '-c', check, String(process.pid), ...command];
}

function exitOf(result: { exitCode?: number | undefined; signal?: string | undefined }): Exit {
  return { code: result.exitCode, signal: result.signal };
}

/** The exit code that a shell would give: the program's own, or 128 and the number of the signal. */
export function shellExitCode({ code, signal }: Exit): number {
  if (code !== undefined) return code;
  const number = signal === undefined ? undefined : (constants.signals as Record<string, number>)[signal];
  return 128 + (number ?? 0);
}

function programFailed(program: string, exit: Exit, stderr: string): TransientError {
  const how = exit.signal ? `killed by ${exit.signal}` : `exit code ${exit.code ?? 'unknown'}`;
  const details = stderr.trim().split('\n').filter(Boolean).slice(-10);
  return new TransientError({ reason: 'program-failed', message: `${program} failed (${how})`, details });
}

function couldNotRun(program: string, cause: unknown): TransientError {
  return new TransientError(
    {
      reason: 'program-failed',
      message: `Could not run required program '${program}': ${systemMessage(cause)}`,
      ...(errorCode(cause) === 'EACCES' ? { hint: `it must be executable: chmod +x ${program}` } : {}),
    },
    { cause },
  );
}

/** An argument as a shell would need it, for people who want to repeat the command by hand. */
export function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}
