import { setTimeout as delay } from 'node:timers/promises';
import { trace } from '../../host/trace.ts';
import { withoutPasswords } from '../../options/password.ts';
import type { StepContext } from '../../plan/executor.ts';
import { HttpStatus, UNREACHABLE, canPass, explained, reasonOf } from './download-faults.ts';
import type { HttpTimes } from './http-times.ts';

/** Maximum number of consecutive attempts that bring less than the minimum rate. */
const TRIES = 5;

/** Maximum Retry-After that is honoured, in milliseconds. */
const LONGEST_WAIT = 30_000;

/** The attempts to download one URL. */
export class Tries {
  readonly #url: string;
  readonly #times: HttpTimes;
  readonly #context: Pick<StepContext, 'signal' | 'note'>;
  readonly #unreachable: string;
  #failures = 0;
  /** Bytes received since the last failure, and when that period began. */
  #received = 0;
  #begin = performance.now();

  /** `unreachable` is the remedy if the server cannot be reached. */
  constructor(
    url: string,
    times: HttpTimes,
    context: Pick<StepContext, 'signal' | 'note'>,
    unreachable = UNREACHABLE,
  ) {
    this.#url = withoutPasswords(url);
    this.#times = times;
    this.#context = context;
    this.#unreachable = unreachable;
  }

  /** Counts received bytes. */
  receive(bytes: number): void {
    this.#received += bytes;
  }

  /** Waits until the next attempt after a failure, or throws if no retry would help. */
  async again(error: unknown): Promise<void> {
    const { signal, note } = this.#context;
    signal.throwIfAborted();
    this.#count();
    if (!canPass(error) || this.#failures >= TRIES) throw explained(this.#url, error, this.#unreachable);
    const retryAfter = error instanceof HttpStatus ? (error.retryAfter ?? 0) : 0;
    const wait = Math.min(
      LONGEST_WAIT,
      Math.max(retryAfter, this.#times.retryDelay * 2 ** (this.#failures - 1)),
    );
    note(`Download of ${this.#url}: ${reasonOf(error)}; retrying (${this.#failures + 1} of ${TRIES})`);
    trace('info', () => `${this.#url}: waiting ${wait} ms before the next attempt`);
    await delay(wait, undefined, { signal });
  }

  /**
   * Counts a failure. A connection that keeps breaking early still makes progress as long as it meets the minimum rate.
   */
  #count(): void {
    const seconds = (performance.now() - this.#begin) / 1000;
    const gotOn = this.#received > 0 && this.#received >= this.#times.leastRate * seconds;
    this.#failures = gotOn ? 1 : this.#failures + 1;
    this.#received = 0;
    this.#begin = performance.now();
  }
}
