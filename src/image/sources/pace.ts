import { TooSlow } from './download-faults.ts';
import type { HttpTimes } from './http-times.ts';
import { leastBytes } from './http-times.ts';

/**
 * Enforces the minimum transfer rate. The clock runs only while waiting for the server: time spent unpacking and
 * writing does not count.
 */
export class Pace {
  readonly #idle: number;
  readonly #least: number;
  /** Bytes received, and milliseconds waited, since the minimum was last met. */
  #received = 0;
  #waited = 0;

  constructor(times: HttpTimes) {
    this.#idle = times.idle;
    this.#least = leastBytes(times);
  }

  /** Counts received bytes. */
  receive(bytes: number): void {
    this.#received += bytes;
    if (this.#received < this.#least) return;
    this.#received = 0;
    this.#waited = 0;
  }

  /** Waits for the next event on the connection; throws if too little arrived in the window. */
  async wait(event: Promise<void>): Promise<void> {
    const begin = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const fail = (): void => reject(new TooSlow(this.#received, this.#idle));
      timer = setTimeout(fail, Math.max(0, this.#idle - this.#waited));
    });
    try {
      await Promise.race([event, late]);
    } finally {
      clearTimeout(timer);
      this.#waited += performance.now() - begin;
    }
  }
}
