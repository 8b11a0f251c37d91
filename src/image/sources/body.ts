import type { Readable } from 'node:stream';
import type { HttpTimes } from './http-times.ts';
import { Pace } from './pace.ts';

/** Maximum number of body chunks that are queued. */
const QUEUE = 16;

/**
 * A response body that is read eagerly. A stream that fails drops its buffer, and with it the progress of a connection
 * that keeps breaking early. Must be created as soon as the response arrives, so that no event is missed.
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

  /** Yields the bytes as they arrive; throws if they arrive too slowly. */
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
