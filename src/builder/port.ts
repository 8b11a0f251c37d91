import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';

/** How many pieces are taken from a port before it has to wait for us. */
const MOST_AHEAD = 64;

/** What tells where the bytes of a script end on a port, which has no end; nothing in a guest can know it before. */
export function newMark(): string {
  return randomBytes(16).toString('hex');
}

/**
 * What a script writes on a port, up to the mark: its answer comes by another way, which can be quicker. A script of which
 * there is no answer has written all that came until then.
 */
export async function* bytesOf(port: Duplex, mark: string, answer: Promise<unknown>): AsyncGenerator<Buffer> {
  const end = Buffer.from(mark);
  const pieces = piecesOf(port, answer);
  try {
    // what may be the beginning of the mark is kept back
    let kept: Buffer = Buffer.alloc(0);
    for await (const piece of pieces) {
      const all = Buffer.concat([kept, piece]);
      const sure = Math.max(0, all.length - end.length);
      if (sure > 0) yield all.subarray(0, sure);
      kept = all.subarray(sure);
      if (kept.equals(end)) return;
    }
  } finally {
    // whoever reads no more must not hold up the writer, and with it the next copy
    port.removeAllListeners('data').resume();
  }
  // why there is no answer is told by whoever asked for it
  await answer;
}

/** What comes on a port, until there will be no answer. */
async function* piecesOf(port: Duplex, answer: Promise<unknown>): AsyncGenerator<Buffer> {
  const chunks: Buffer[] = [];
  const lost = new AbortController();
  let wake = (): void => undefined;
  answer.catch(() => {
    lost.abort();
    wake();
  });
  port.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    if (chunks.length > MOST_AHEAD) port.pause();
    wake();
  });
  for (;;) {
    const chunk = chunks.shift();
    if (chunk !== undefined) yield chunk;
    else if (lost.signal.aborted) return;
    else {
      await new Promise<void>((resolve) => {
        wake = resolve;
        port.resume();
      });
    }
  }
}
