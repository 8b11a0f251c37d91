import { Tail } from '../host/tail.ts';
import type { OutputStream } from '../plan/executor.ts';
import type { StepId } from '../plan/step.ts';
import type { View } from './runner.ts';

/** Most output kept per command and stream, in bytes; the end is kept. */
const MOST_KEPT = 1024 * 1024;

/** Record of one step; times in milliseconds since 1970, undefined until reached. */
export interface StepRecord {
  begun?: number;
  ended?: number;
  readonly output: Readonly<Record<OutputStream, Tail>>;
}

/** Records start and end of the steps of a run, and output of commands; outcomes are in the run's result. */
export class Recorder {
  readonly #records = new Map<StepId, StepRecord>();

  /** The record of a step, created if missing. */
  of(id: StepId): StepRecord {
    const record = this.#records.get(id) ?? {
      output: { stdout: new Tail(MOST_KEPT), stderr: new Tail(MOST_KEPT) },
    };
    this.#records.set(id, record);
    return record;
  }

  /** Wraps a view, recording all its events. */
  wrap(view: View): View {
    return (act, perform) =>
      view(act, async (step, listener) => {
        const record = this.of(step.id);
        const heard = (stream: OutputStream, bytes: Buffer): void => record.output[stream].add(bytes);
        const begun = (): void => {
          record.begun = Date.now();
          listener.begun();
        };
        const outcome = await perform(step, { ...listener, begun, heard });
        if (record.begun !== undefined) record.ended = Date.now();
        return outcome;
      });
  }
}
