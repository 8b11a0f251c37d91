import type { Plan, StepId } from '../plan/step.ts';

/** Limits how many machines boot at the same time; waiters are served in order. */
export class BootLimit {
  readonly #starts: Plan['starts'];
  readonly #waiting: (() => void)[] = [];
  readonly #under = new Set<StepId>();
  #isAnnounced = false;

  constructor(starts: Plan['starts']) {
    this.#starts = starts;
  }

  /** Waits until a machine may boot; `notify` is called the first time the limit takes effect. */
  async enter(step: StepId, notify: (limit: number) => void): Promise<void> {
    if (this.#starts === undefined || !this.#starts.spans.some(({ from }) => from === step)) return;
    const { limit } = this.#starts;
    if (this.#under.size >= limit) {
      if (!this.#isAnnounced) notify(limit);
      this.#isAnnounced = true;
      // the slot is taken when it is granted: another step may ask before this one resumes
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

  /** Releases the slot of a machine that has booted or failed. */
  leave(step: StepId, isDone: boolean): void {
    for (const { from, to } of this.#starts?.spans ?? []) {
      const isOver = step === to || (step === from && !isDone);
      if (isOver && this.#under.delete(from)) this.#waiting.shift()?.();
    }
  }
}
