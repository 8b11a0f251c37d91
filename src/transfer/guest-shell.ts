import type { Duplex, Readable } from 'node:stream';

/** Result of a script in the guest. */
export interface ScriptResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Bytes that a script in the guest writes, and its result once all of them were read. */
export interface ScriptOutput {
  readonly bytes: AsyncIterable<Buffer>;
  readonly answer: Promise<ScriptResult>;
}

/** Produces the stdin of a script from its first output. */
export type Reply = (output: string) => Promise<AsyncIterable<Buffer>>;

/**
 * A POSIX shell in a guest that runs scripts one after the other: in a running guest over ssh, or on the disks of a
 * stopped one in the builder VM.
 */
export interface GuestShell {
  /** Prefix for commands that need root in the guest; empty if the user is root or may not use sudo. */
  readonly sudo: string;
  /** Command of the guest's tar, as shell words. */
  readonly tar: string;
  /** Whether that is GNU tar; busybox's does not support sparse files. */
  readonly gnuTar: boolean;
  /** Runs a script and returns its result. */
  run: (script: string, signal: AbortSignal) => Promise<ScriptResult>;
  /** Runs a script that prints something, ended by a NUL, and then reads the reply to it from stdin. */
  send: (script: string, reply: Reply, signal: AbortSignal) => Promise<ScriptResult>;
  /** Runs a script that writes bytes to stdout. */
  receive: (script: string, signal: AbortSignal) => ScriptOutput;
  /** Runs a script with the other end of a socket as its stdin and stdout. */
  connect: (script: string, socket: Duplex, signal: AbortSignal) => Promise<ScriptResult>;
}

/** Maximum size of text before the NUL, in bytes: a path in a guest is shorter, and the text is buffered. */
const MAX_TEXT = 64 * 1024;

/** Reads a stream up to the first NUL; undefined if the stream ends, or the limit is exceeded, without one. */
export async function untilNul(stream: Readable): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve) => {
    const take = (chunk: Buffer): void => {
      const end = chunk.indexOf(0);
      chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
      size += chunk.length;
      if (end >= 0) finish(Buffer.concat(chunks).toString());
      else if (size > MAX_TEXT) finish(undefined);
    };
    const finish = (text: string | undefined): void => {
      // the rest is discarded
      stream.off('data', take).resume();
      resolve(text);
    };
    stream.on('data', take).resume();
    stream.once('close', () => resolve(undefined));
    stream.once('end', () => resolve(undefined));
  });
}

/** Escapes a script for `printf %b`, on a single line. */
export function printfEscaped(script: string): string {
  return script.trim().replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
