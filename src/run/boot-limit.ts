import type { Plan, StepId } from '../plan/step.ts';

/** Bounds how many machines are on their way at a time; each comes in the order in which it asks. */
export class BootLimit {
  readonly #starts: Plan['starts'];
  readonly #waiting: (() => void)[] = [];
  readonly #under = new Set<StepId>();
  #told = false;

  constructor(starts: Plan['starts']) {
    this.#starts = starts;
  }

  /** Waits, before a step that boots a machine, until it may; says once that there is a bound. */
  async enter(step: StepId, tell: (limit: number) => void): Promise<void> {
    if (this.#starts === undefined || !this.#starts.spans.some(({ from }) => from === step)) return;
    const { limit } = this.#starts;
    if (this.#under.size >= limit) {
      if (!this.#told) tell(limit);
      this.#told = true;
      // its place is taken as it is given: another one may ask before this one goes on
      await new Promise<void>((resolve) =>
        this.#waiting.push(() => {
          this.#under.add(step);
          resolve();
        }),
      );
      return;
    }
    this.#under.add(step);
  }

  /** A step has settled: the machine has come up, or never will. */
  leave(step: StepId, isDone: boolean): void {
    for (const { from, to } of this.#starts?.spans ?? []) {
      const isOver = step === to || (step === from && !isDone);
      if (isOver && this.#under.delete(from)) this.#waiting.shift()?.();
    }
  }
}
