import type { Writable } from 'node:stream';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errorCode } from '../problem.ts';
import { ChildEnd } from './child-end.ts';
import { exitOf, programFailed } from './exit.ts';
import { commandLine, loadExeca } from './spawn.ts';

/** Pipes bytes through a program; its failure is an error with its stderr. */
export async function* filter(
  program: string,
  args: readonly string[],
  bytes: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const [file, ...rest] = await commandLine(program, args);
  const { execa } = await loadExeca();
  const child = execa(file, rest, { ...FILTER, stdout: 'pipe' });
  const feeding = feed(child.stdin, bytes);
  try {
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) yield chunk;
    expectSuccess(program, await child, await feeding);
  } finally {
    child.kill('SIGKILL');
  }
}

/** Pipes bytes through a program directly into an open file. */
export async function filterInto(
  descriptor: number,
  program: string,
  args: readonly string[],
  bytes: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const [file, ...rest] = await commandLine(program, args);
  // any descriptor works, though the types allow only 0 to 2
  const { execa } = await loadExeca();
  const child = execa(file, rest, { ...FILTER, stdout: descriptor as 1 });
  const end = new ChildEnd(child, { reach: 'process', signal });
  const feeding = feed(child.stdin, bytes);
  await end.exited;
  signal.throwIfAborted();
  expectSuccess(program, await child, await feeding);
}

const FILTER = {
  reject: false,
  encoding: 'buffer',
  stdin: 'pipe',
  buffer: { stdout: false, stderr: true },
} as const;

/** Writes bytes to a program; returns an error of their source, if any. */
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
  // a program may close its stdin early, which is not an error of the source
  if (fault !== undefined && errorCode(fault) !== 'EPIPE') throw fault as Error;
  if (result.exitCode !== 0)
    throw programFailed(program, exitOf(result), Buffer.from(result.stderr).toString());
}
