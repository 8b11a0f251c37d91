import { writeSync } from 'node:fs';

/** The streams among stdout and stderr that have been created. */
const used = new Set<NodeJS.WriteStream>();

/**
 * Calls `prepare` on stdout and stderr on first use, since creating either takes Node some milliseconds. Returns a function
 * that lists those created so far.
 */
export function observeStreams(prepare: (stream: NodeJS.WriteStream) => void): () => NodeJS.WriteStream[] {
  for (const name of ['stdout', 'stderr'] as const) {
    const property = Object.getOwnPropertyDescriptor(process, name);
    const create = (): NodeJS.WriteStream => {
      const stream = (property?.get?.() ?? property?.value) as NodeJS.WriteStream;
      if (!used.has(stream)) prepare(stream);
      used.add(stream);
      return stream;
    };
    Object.defineProperty(process, name, { configurable: true, enumerable: true, get: create });
  }
  return () => [...used];
}

/** Writes to stdout, without creating its stream if possible. */
export function writeToStdout(text: string): void {
  const rest = used.size === 0 ? writtenAtOnce(Buffer.from(text)) : text;
  if (rest.length > 0) process.stdout.write(rest);
}

/** Writes synchronously; returns the rest if the pipe is non-blocking and full, or its reader has gone. */
function writtenAtOnce(bytes: Buffer): Buffer {
  let rest = bytes;
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(1, rest));
  } catch {
    // the stream handles the error
  }
  return rest;
}
