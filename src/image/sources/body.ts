import type { Readable } from 'node:stream';
import type { HttpTimes } from './http-times.ts';
import { Pace } from './pace.ts';

/** How many chunks of a body wait for us at most. */
const QUEUE = 16;

/**
 * A body whose bytes are taken as soon as they are there. A stream that fails drops what it has buffered, and with it
 * the progress that a connection which always breaks early would still have made. Made at once when the answer comes,
 * so that no news of it is missed.
 */
export class Body {
  readonly #stream: Readable;
  readonly #pace: Pace;
  readonly #queue: Buffer[] = [];
  #fault: Error | undefined;
  #over = false;
  #wake = (): void => undefined;

  constructor(stream: Readable, times: HttpTimes) {
    this.#stream = stream;
    this.#pace = new Pace(times);
    stream.on('data', (chunk: Buffer) => {
      this.#pace.receive(chunk.length);
      if (this.#queue.push(chunk) >= QUEUE) stream.pause();
      this.#wake();
    });
    stream.on('error', (fault) => {
      this.#fault ??= fault;
      this.#wake();
    });
    stream.on('close', () => {
      this.#over = true;
      this.#wake();
    });
  }

  /** The bytes as they come; throws when they come too slowly. */
  async *chunks(): AsyncGenerator<Buffer> {
    for (;;) {
      const chunk = this.#queue.shift();
      if (chunk !== undefined) yield chunk;
      else if (this.#fault) throw this.#fault;
      else if (this.#over) return;
      else {
        this.#stream.resume();
        await this.#pace.wait(new Promise<void>((resolve) => (this.#wake = resolve)));
      }
    }
  }

  destroy(): void {
    this.#stream.destroy();
  }
}
