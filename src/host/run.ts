import type { Readable, Writable } from 'node:stream';
import { ChildEnd } from './child-end.ts';
import type { Exit } from './exit.ts';
import { exitOf, programFailed } from './exit.ts';
import { findProgram } from './program.ts';
import { commandLine, loadExeca } from './spawn.ts';

/** Output of a program that exited with 0. */
export interface CollectedOutput {
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly signal?: AbortSignal;
  /** Whether the program inherits our stdin; it has none otherwise. */
  readonly inheritStdin?: boolean;
  /** Called with each chunk of stdout. */
  readonly onOutput?: (text: string) => void;
}

/** Runs a program and returns its output; a nonzero exit code is an error with its stderr. */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<CollectedOutput> {
  const { signal, inheritStdin = false, onOutput } = options;
  const [file, ...rest] = await commandLine(program, args);
  const { execa } = await loadExeca();
  const child = execa(file, rest, {
    reject: false,
    stripFinalNewline: false,
    stdin: inheritStdin ? 'inherit' : 'ignore',
  });
  if (onOutput) child.stdout.on('data', (chunk: Buffer) => onOutput(chunk.toString()));
  await exitUnlessAborted(child, signal);
  const result = await child;
  if (result.exitCode === 0) return { stdout: result.stdout, stderr: result.stderr };
  throw programFailed(program, exitOf(result), result.stderr);
}

/** Waits for the end of a child, which the signal terminates; its reason is thrown then. */
async function exitUnlessAborted(
  child: ConstructorParameters<typeof ChildEnd>[0],
  signal: AbortSignal | undefined,
): Promise<Exit> {
  const exit = await new ChildEnd(child, { reach: 'process', signal }).exited;
  signal?.throwIfAborted();
  return exit;
}

/** Output and exit status of a program. */
export interface Ended extends CollectedOutput {
  readonly exit: Exit;
}

/** Most stderr kept of a program that may complain about every part of a large file, in bytes. */
const MOST_COMPLAINTS = 64 * 1024;

/** Runs a program that may fail; the beginning of its stderr is kept. */
export async function runToEnd(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Ended> {
  const [file, ...rest] = await commandLine(program, args);
  const { execa } = await loadExeca();
  const buffer = { stdout: true, stderr: false } as const;
  const child = execa(file, rest, { reject: false, stripFinalNewline: false, stdin: 'ignore', buffer });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (stderr.length < MOST_COMPLAINTS) stderr += chunk.toString();
  });
  const exit = await exitUnlessAborted(child, signal);
  return { stdout: (await child).stdout, stderr, exit };
}

/** Runs a program whose output is ignored. */
export async function runSilently(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Exit> {
  const [file, ...rest] = await commandLine(program, args);
  const { execa } = await loadExeca();
  const child = execa(file, rest, { reject: false, stdio: 'ignore' });
  return exitUnlessAborted(child, signal);
}

/** Runs a program on an open file, which it gets as stdin. */
export async function runOnFile(
  program: string,
  args: readonly string[],
  descriptor: number,
  signal?: AbortSignal,
): Promise<Exit> {
  const file = await findProgram(program);
  const { execa } = await loadExeca();
  const child = execa(file, args, {
    reject: false,
    // any descriptor works, though the types allow only 0 to 2
    stdio: [descriptor as 0, 'ignore', 'ignore'],
  });
  return exitUnlessAborted(child, signal);
}

/**
 * Runs a program on our stdin, stdout and stderr, and returns its exit status. If its output is recorded, it is passed on
 * through this process.
 */
export async function runInForeground(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
  heard?: (stream: 'stdout' | 'stderr', bytes: Buffer) => void,
): Promise<Exit> {
  const [file, ...rest] = await commandLine(program, args);
  const output = heard === undefined ? 'inherit' : 'pipe';
  const { execa } = await loadExeca();
  const child = execa(file, rest, {
    reject: false,
    buffer: false,
    stdio: ['inherit', output, output],
  });
  // stays in the foreground process group of the terminal
  const end = new ChildEnd(child, { reach: 'tree', signal });
  for (const stream of ['stdout', 'stderr'] as const) {
    const source = child[stream];
    source?.on('data', (bytes: Buffer) => {
      heard?.(stream, bytes);
      passOn(bytes, source, process[stream]);
    });
  }
  const exit = await end.exited;
  signal.throwIfAborted();
  return exit;
}

/** Copies a stream with backpressure; unlike pipe(), it does not stop the child when our reader goes away. */
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
