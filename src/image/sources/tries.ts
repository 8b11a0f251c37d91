import { setTimeout as delay } from 'node:timers/promises';
import { trace } from '../../host/trace.ts';
import { withoutPasswords } from '../../options/password.ts';
import type { StepContext } from '../../plan/executor.ts';
import { HttpStatus, canPass, explained, reasonOf } from './download-faults.ts';
import type { HttpTimes } from './http-times.ts';

/** How many tries may fail in a row, each bringing less than the least rate. */
const TRIES = 5;

/** Longest wait that a server's Retry-After is granted, in milliseconds. */
const LONGEST_WAIT = 30_000;

/** The tries to download one URL. */
export class Tries {
  readonly #url: string;
  readonly #times: HttpTimes;
  readonly #context: Pick<StepContext, 'signal' | 'note'>;
  #failures = 0;
  /** Bytes that came, and when that began, since the last failure. */
  #received = 0;
  #begin = performance.now();

  constructor(url: string, times: HttpTimes, context: Pick<StepContext, 'signal' | 'note'>) {
    this.#url = withoutPasswords(url);
    this.#times = times;
    this.#context = context;
  }

  /** Counts what a try brings. */
  receive(bytes: number): void {
    this.#received += bytes;
  }

  /** After a try that failed: waits until the next one, or throws what no further try would mend. */
  async again(error: unknown): Promise<void> {
    const { signal, note } = this.#context;
    signal.throwIfAborted();
    this.#count();
    if (!canPass(error) || this.#failures >= TRIES) throw explained(this.#url, error);
    const asked = error instanceof HttpStatus ? (error.retryAfter ?? 0) : 0;
    const wait = Math.min(LONGEST_WAIT, Math.max(asked, this.#times.retryDelay * 2 ** (this.#failures - 1)));
    note(`Download of ${this.#url}: ${reasonOf(error)}; trying again (${this.#failures + 1} of ${TRIES})`);
    trace('info', () => `${this.#url}: waiting ${wait} ms before the next try`);
    await delay(wait, undefined, { signal });
  }

  /** A connection that always breaks early gets on all the same, as long as it keeps the least rate. */
  #count(): void {
    const seconds = (performance.now() - this.#begin) / 1000;
    const gotOn = this.#received > 0 && this.#received >= this.#times.leastRate * seconds;
    this.#failures = gotOn ? 1 : this.#failures + 1;
    this.#received = 0;
    this.#begin = performance.now();
  }
}
