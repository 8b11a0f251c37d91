import { setImmediate as nextTurn } from 'node:timers/promises';

/** Number of entries between two yields to the event loop. */
const IN_ONE_TURN = 1000;

/**
 * Yields to the event loop now and then while a tree is walked with synchronous calls: with promises each entry takes
 * ten times as long.
 */
export class Turns {
  readonly #signal: AbortSignal;
  #entries = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  async take(): Promise<void> {
    if (++this.#entries % IN_ONE_TURN !== 0) return;
    await nextTurn();
    this.#signal.throwIfAborted();
  }
}
