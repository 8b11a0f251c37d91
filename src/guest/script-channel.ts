import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { Transform } from 'node:stream';
import { printfEscaped } from '../transfer/guest-shell.ts';

/**
 * Command given to the guest's login shell for each of our scripts, always the same: no shell (sh, csh, fish)
 * interprets it differently. The script is the first line of stdin, as `printf %b` takes it; the rest is the script's
 * own stdin, since a POSIX shell reads a line byte by byte from an unseekable file.
 */
export const SCRIPT_COMMAND = `exec /bin/sh -c 'IFS= read -r s && eval "$(printf %b "$s")"'`;

/** Encodes a script as that line. */
export function scriptLine(script: string): string {
  return `${printfEscaped(script)}\n`;
}

/** A script as that line, and its own output on a stream: a login shell may print text before our script begins. */
export interface MarkedScript {
  readonly line: string;
  readonly outputOf: (stream: Readable) => Readable;
}

/** Prepares a script that prints a random mark before anything else. */
export function markedScript(script: string): MarkedScript {
  const mark = randomBytes(8).toString('hex');
  return {
    line: scriptLine(`printf %s ${mark}\n${script}`),
    outputOf: (stream) => afterMark(stream, Buffer.from(mark)),
  };
}

/** Yields what comes on a stream after a mark. */
export function afterMark(stream: Readable, mark: Buffer): Readable {
  let before: Buffer | undefined = Buffer.alloc(0);
  const rest = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      done(undefined, before === undefined ? chunk : behind(Buffer.concat([before, chunk])));
    },
  });
  const behind = (bytes: Buffer): Buffer => {
    const at = bytes.indexOf(mark);
    // keeps only as many bytes as may be the beginning of the mark
    before = at < 0 ? bytes.subarray(-mark.length) : undefined;
    return at < 0 ? Buffer.alloc(0) : bytes.subarray(at + mark.length);
  };
  stream.on('error', () => rest.end());
  stream.on('close', () => rest.end());
  return stream.pipe(rest);
}
