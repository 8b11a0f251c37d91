import type { Duplex } from 'node:stream';

/** The end of what is written on a port: bytes that nobody else writes, and the request for them. */
export interface Mark {
  readonly bytes: Buffer;
  readonly asked: Promise<unknown>;
}

/** What is known of the end of a port, and how its reader is told of news. */
interface End {
  mark?: Buffer;
  lost: boolean;
  fault?: unknown;
  wake: () => void;
}

/** How many pieces are taken from a port before it has to wait for us. */
const MOST_AHEAD = 64;

/**
 * What is written on a port, which does not end itself: up to the mark that the builder is asked for once the writer has
 * ended. Until then everything is passed on at once, since the writer may wait for an answer to it. Ends early where it
 * is not known how the writer ended, for whoever waits for that to tell; rejects where the mark does not come.
 */
export function bytesOf(port: Duplex, marked: Promise<Mark>): AsyncGenerator<Buffer> {
  const end: End = { lost: false, wake: () => undefined };
  const lose = (fault?: unknown): void => {
    Object.assign(end, { lost: true, fault });
    end.wake();
  };
  // listened to at once: it may come before anybody reads, and nobody need read
  marked.then(
    ({ bytes, asked }) => {
      end.mark = bytes;
      asked.catch(lose);
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
    let held: Buffer = Buffer.alloc(0);
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
        held = Buffer.concat([held, chunk]);
        const ends = held.subarray(-mark.length).equals(mark);
        const known = held.length - (ends ? mark.length : mark.length - 1);
        if (known > 0) yield held.subarray(0, known);
        if (ends) return;
        held = held.subarray(Math.max(known, 0));
      }
    }
    if (end.fault !== undefined) throw end.fault as Error;
  } finally {
    // whoever reads no more must not hold up the writer, and with it the next copy
    port.removeAllListeners('data').resume();
  }
}
