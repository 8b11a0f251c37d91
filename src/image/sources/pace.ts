import { TooSlow } from './download-faults.ts';
import type { HttpTimes } from './http-times.ts';
import { leastBytes } from './http-times.ts';

/**
 * Holds a server to the least rate. Its clock runs only while we wait for the server: the time that we take ourselves to
 * unpack and write what came is none of its.
 */
export class Pace {
  readonly #idle: number;
  readonly #least: number;
  /** Bytes that came, and milliseconds that we waited, since the last time that enough had come. */
  #received = 0;
  #waited = 0;

  constructor(times: HttpTimes) {
    this.#idle = times.idle;
    this.#least = leastBytes(times);
  }

  /** Counts what came. */
  receive(bytes: number): void {
    this.#received += bytes;
    if (this.#received < this.#least) return;
    this.#received = 0;
    this.#waited = 0;
  }

  /** Waits for the next event on the connection, and throws when too little has come in the window. */
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
