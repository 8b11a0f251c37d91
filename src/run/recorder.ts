import type { OutputStream } from '../plan/contract.ts';
import type { Step, StepId } from '../plan/step.ts';
import type { View } from './runner.ts';

/** How much is kept of what one command writes to one stream, in bytes; of more, the end. */
const MOST_KEPT = 1024 * 1024;

/** The end of a stream of bytes. */
export class Tail {
  #chunks: Buffer[] = [];
  #size = 0;
  #left = 0;

  add(bytes: Buffer): void {
    // the chunk is its reader's to use again
    this.#chunks.push(Buffer.from(bytes));
    this.#size += bytes.length;
    while (this.#size - (this.#chunks[0]?.length ?? 0) >= MOST_KEPT) this.#drop();
  }

  /** As text, with a line that tells of what is left out. */
  get text(): string {
    const text = Buffer.concat(this.#chunks).toString();
    return this.#left === 0 ? text : `[${this.#left} bytes before this are left out]\n${text}`;
  }

  #drop(): void {
    const first = this.#chunks.shift()?.length ?? 0;
    this.#size -= first;
    this.#left += first;
  }
}

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
    const record = this.#records.get(id) ?? { output: { stdout: new Tail(), stderr: new Tail() } };
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
