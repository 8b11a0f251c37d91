import { writeSync } from 'node:fs';

/** Those of stdout and stderr that have been used. */
const used = new Set<NodeJS.WriteStream>();

/**
 * Prepares stdout and stderr when they are first used, since to make one of them takes Node some milliseconds. Returns
 * those that are there.
 */
export function ownStreams(prepare: (stream: NodeJS.WriteStream) => void): () => NodeJS.WriteStream[] {
  for (const name of ['stdout', 'stderr'] as const) {
    const property = Object.getOwnPropertyDescriptor(process, name);
    const made = (): NodeJS.WriteStream => {
      const stream = (property?.get?.() ?? property?.value) as NodeJS.WriteStream;
      if (!used.has(stream)) prepare(stream);
      used.add(stream);
      return stream;
    };
    Object.defineProperty(process, name, { configurable: true, enumerable: true, get: made });
  }
  return () => [...used];
}

/** Writes to stdout, without making a stream of it where that is not needed. */
export function writeOut(text: string): void {
  const rest = used.size === 0 ? writtenAtOnce(Buffer.from(text)) : text;
  if (rest.length > 0) process.stdout.write(rest);
}

/** Returns what could not be written: somebody has made the pipe one that does not wait, or its reader is gone. */
function writtenAtOnce(bytes: Buffer): Buffer {
  let rest = bytes;
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(1, rest));
  } catch {
    // a stream knows what to do
  }
  return rest;
}
