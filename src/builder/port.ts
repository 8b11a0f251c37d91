import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

/** How many pieces are taken from a port before it has to wait for us. */
const MOST_AHEAD = 64;

/** How long what may be the beginning of the mark is kept from somebody who may be waited for, in milliseconds. */
export const PATIENCE = 50;

/** What tells where the bytes of a script end on a port, which has no end; nothing in a guest can know it before. */
export function newMark(): string {
  return `end-${randomBytes(16).toString('hex')}`;
}

/**
 * What a script writes on a port, up to the mark: its answer comes by another way, which can be quicker. A script of which
 * there is no answer has written all that came until then. Where the script `talks` with who reads, nothing is kept back
 * for long: it may wait for what comes of that.
 */
export async function* bytesOf(
  port: Duplex,
  mark: string,
  answer: Promise<unknown>,
  { talks }: { talks: boolean },
): AsyncGenerator<Buffer> {
  const end = Buffer.from(mark);
  let last: Buffer = Buffer.alloc(0);
  let kept: Buffer = Buffer.alloc(0);
  try {
    for await (const piece of piecesOf(port, answer, talks)) {
      const all = Buffer.concat([kept, piece]);
      last = Buffer.concat([last, piece]).subarray(-end.length);
      const isOver = last.equals(end);
      const held = isOver ? end.length : piece.length === 0 ? 0 : begun(all, end);
      const sure = Math.max(0, all.length - held);
      if (sure > 0) yield all.subarray(0, sure);
      if (isOver) return;
      kept = all.subarray(sure);
    }
  } finally {
    // whoever reads no more must not hold up the writer, and with it the next copy
    port.removeAllListeners('data').resume();
  }
  // why there is no answer is told by whoever asked for it
  await answer;
}

/** How many bytes at the end of some are those that the mark begins with. */
function begun(bytes: Buffer, mark: Buffer): number {
  for (let count = Math.min(mark.length - 1, bytes.length); count > 0; count--)
    if (bytes.subarray(-count).equals(mark.subarray(0, count))) return count;
  return 0;
}

/** What comes on a port, until there will be no answer; an empty piece where `talks` and nothing has come for a while. */
async function* piecesOf(port: Duplex, answer: Promise<unknown>, talks: boolean): AsyncGenerator<Buffer> {
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
      const news = new Promise<boolean>((resolve) => {
        wake = () => resolve(true);
        port.resume();
      });
      const hasCome = await (talks ? Promise.race([news, delay(PATIENCE, false)]) : news);
      if (!hasCome) yield Buffer.alloc(0);
    }
  }
}
