import { setImmediate as nextTurn } from 'node:timers/promises';

/** So many entries are looked at before others have a turn. */
const IN_ONE_TURN = 1000;

/**
 * Lets others have their turn now and then, while a tree is walked by calls that do not wait: by promises each entry takes
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
