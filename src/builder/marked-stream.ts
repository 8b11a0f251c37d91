import type { Duplex } from 'node:stream';

/** End marker of a port's output: a byte sequence that nobody else writes, and the request that produces it. */
export interface Mark {
  readonly bytes: Buffer;
  readonly requested: Promise<unknown>;
}

/** State of the end of a port, and the callback of its reader. */
interface End {
  mark?: Buffer;
  lost: boolean;
  fault?: unknown;
  wake: () => void;
}

/** Maximum number of chunks buffered from a port before it is paused. */
const MOST_AHEAD = 64;

/**
 * Reads the output on a port, which has no end of its own, up to the mark that is requested once the writer has ended.
 * Until then everything is passed on at once, since the writer may wait for a reply. Ends early if the writer's result
 * is unknown, for the caller awaiting it to report; rejects if the mark does not arrive.
 */
export function bytesOf(port: Duplex, marked: Promise<Mark>): AsyncGenerator<Buffer> {
  const end: End = { lost: false, wake: () => undefined };
  const lose = (fault?: unknown): void => {
    Object.assign(end, { lost: true, fault });
    end.wake();
  };
  // attached at once: the mark may arrive before anybody reads, and nobody need read
  marked.then(
    ({ bytes, requested }) => {
      end.mark = bytes;
      requested.catch(lose);
    },
    () => lose(),
  );
  return upTo(end, port);
}

async function* upTo(end: End, port: Duplex): AsyncGenerator<Buffer> {
  const chunks: Buffer[] = [];
  port.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    if (chunks.length > MOST_AHEAD) port.pause();
    end.wake();
  });
  try {
    let buffered: Buffer = Buffer.alloc(0);
    while (!end.lost) {
      const { mark } = end;
      const chunk = chunks.shift();
      if (chunk === undefined) {
        await new Promise<void>((resolve) => {
          end.wake = resolve;
          port.resume();
        });
      } else if (mark === undefined) {
        yield chunk;
      } else {
        buffered = Buffer.concat([buffered, chunk]);
        const ends = buffered.subarray(-mark.length).equals(mark);
        const certain = buffered.length - (ends ? mark.length : mark.length - 1);
        if (certain > 0) yield buffered.subarray(0, certain);
        if (ends) return;
        buffered = buffered.subarray(Math.max(certain, 0));
      }
    }
    if (end.fault !== undefined) throw end.fault as Error;
  } finally {
    // a reader that has stopped must not block the writer, and with it the next copy
    port.removeAllListeners('data').resume();
  }
}
