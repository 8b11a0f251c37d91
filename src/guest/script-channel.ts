import type { Readable } from 'node:stream';
import { Transform } from 'node:stream';
import { printfEscaped } from '../transfer/guest-shell.ts';

/**
 * What the guest's login shell is given for each of our scripts, the same for every one: no shell (sh, csh, fish) finds
 * anything in it to understand differently. The script is the first line of stdin, as `printf %b` takes it; what follows is
 * its own stdin, since a POSIX shell reads a line byte by byte where it cannot go back.
 */
export const SCRIPT_COMMAND = `exec /bin/sh -c 'IFS= read -r s && eval "$(printf %b "$s")"'`;

/** A script as that line. */
export function scriptLine(script: string): string {
  return `${printfEscaped(script)}\n`;
}

/** What comes behind a mark: a login shell may print on its own before our script begins. */
export function afterMark(stream: Readable, mark: Buffer): Readable {
  let before: Buffer | undefined = Buffer.alloc(0);
  const rest = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      const own = before === undefined ? chunk : behind(Buffer.concat([before, chunk]));
      done(undefined, own);
    },
  });
  const behind = (bytes: Buffer): Buffer => {
    const at = bytes.indexOf(mark);
    // of what is not the mark no more is kept than may be its beginning
    before = at < 0 ? bytes.subarray(-mark.length) : undefined;
    return at < 0 ? Buffer.alloc(0) : bytes.subarray(at + mark.length);
  };
  stream.on('error', () => rest.end());
  stream.on('close', () => rest.end());
  return stream.pipe(rest);
}
