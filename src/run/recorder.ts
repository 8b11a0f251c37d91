import { Tail } from '../host/tail.ts';
import type { OutputStream } from '../plan/executor.ts';
import type { Step, StepId } from '../plan/step.ts';
import type { View } from './runner.ts';

/** How much is kept of what one command writes to one stream, in bytes; of more, the end. */
const MOST_KEPT = 1024 * 1024;

/** What was seen of one step; times in milliseconds since 1970, missing while it has not come that far. */
export interface StepRecord {
  begun?: number;
  ended?: number;
  readonly output: Readonly<Record<OutputStream, Tail>>;
}

/** Remembers when the steps of a run began and ended, and what commands wrote; how they came out its result tells. */
export class Recorder {
  readonly #records = new Map<StepId, StepRecord>();

  /** The record of a step, whether it has begun or not. */
  of(id: StepId): StepRecord {
    const record = this.#records.get(id) ?? {
      output: { stdout: new Tail(MOST_KEPT), stderr: new Tail(MOST_KEPT) },
    };
    this.#records.set(id, record);
    return record;
  }

  /** The same view, of which all is remembered. */
  over(view: View): View {
    return (act, perform) =>
      view(act, async (step, listener) => {
        const record = this.of(step.id);
        const begun = (): void => {
          record.begun = Date.now();
          listener.begun();
        };
        const outcome = await perform(step, { ...listener, begun, ...this.#listening(step) });
        if (record.begun !== undefined) record.ended = Date.now();
        return outcome;
      });
  }

  #listening({ id, kind }: Step): { heard?: (stream: OutputStream, bytes: Buffer) => void } {
    if (kind !== 'guest.run') return {};
    const { output } = this.of(id);
    return { heard: (stream, bytes) => output[stream].add(bytes) };
  }
}
