import type { Duplex, Readable } from 'node:stream';

/** What came of a script on the far side. */
export interface ScriptResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Bytes that a script on the far side writes, and what came of it once all of them were read. */
export interface ScriptOutput {
  readonly bytes: AsyncIterable<Buffer>;
  readonly answer: Promise<ScriptResult>;
}

/** What a script gets to read for what it has said. */
export type Reply = (said: string) => Promise<AsyncIterable<Buffer>>;

/**
 * The inside of a guest, as copies see it: a POSIX shell that runs scripts one after the other, in a running guest over
 * ssh or on the disks of a stopped one in the builder.
 */
export interface GuestShell {
  /** Put before a command that needs the guest's root; empty where that is who we are, or cannot be. */
  readonly sudo: string;
  /** Its tar, as words of a shell. */
  readonly tar: string;
  /** Whether that is GNU's: busybox's refuses holes. */
  readonly gnuTar: boolean;
  /** Runs a script and returns what it says. */
  run: (script: string, signal: AbortSignal) => Promise<ScriptResult>;
  /** Runs a script that says something, ended by a NUL, and then reads what is answered to that. */
  send: (script: string, reply: Reply, signal: AbortSignal) => Promise<ScriptResult>;
  /** Runs a script that writes bytes. */
  receive: (script: string, signal: AbortSignal) => ScriptOutput;
  /** Runs a script whose stdin and stdout are the other end of a socket. */
  connect: (script: string, socket: Duplex, signal: AbortSignal) => Promise<ScriptResult>;
}

/** A word for a POSIX shell, whatever is in it. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** More than this is no place in a guest: it is for us to keep until its end comes, in bytes. */
const MOST_SAID = 64 * 1024;

/** What comes on a stream up to the first NUL; undefined where it ends, or says too much, without one. */
export async function untilNul(stream: Readable): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve) => {
    const take = (chunk: Buffer): void => {
      const end = chunk.indexOf(0);
      chunks.push(end < 0 ? chunk : chunk.subarray(0, end));
      size += chunk.length;
      if (end >= 0) finish(Buffer.concat(chunks).toString());
      else if (size > MOST_SAID) finish(undefined);
    };
    const finish = (said: string | undefined): void => {
      // what follows is for nobody
      stream.off('data', take).resume();
      resolve(said);
    };
    stream.on('data', take).resume();
    stream.once('close', () => resolve(undefined));
    stream.once('end', () => resolve(undefined));
  });
}

/** A script as the last words of a request, as `printf %b` reads it: all on one line. */
export function printfEscaped(script: string): string {
  return script.trim().replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
