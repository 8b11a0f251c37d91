import type { Sums } from '../sums.ts';
import { gunzipped } from '../unpack/compression.ts';
import { peek } from '../unpack/peek.ts';
import type { Encoding } from './encoding.ts';
import { isGzip } from './encoding.ts';

/**
 * What a server has compressed for the way, as it says, is taken as what it was before. Some say so of every file whose
 * name ends in .gz, and there a sum is that of the file as it came: either may have been promised.
 */
export class Decoding {
  readonly #encoding: () => Encoding | undefined;
  readonly #sums: Sums;
  #isPlain = true;

  /** How the bytes are encoded is asked when the first of them are there; `sums` are taken of the decoded ones. */
  constructor(encoding: () => Encoding | undefined, sums: Sums) {
    this.#encoding = encoding;
    this.#sums = sums;
  }

  /** Whether the bytes are as they came. */
  get isPlain(): boolean {
    return this.#isPlain;
  }

  async *over(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const { head, bytes } = await peek(source);
    this.#isPlain = this.#encoding() === undefined || !isGzip(head);
    yield* this.#isPlain ? bytes : this.#sums.over(gunzipped(bytes));
  }

  /** The sums that count, of the bytes that came (`asSent`) or of those that they became; refuses what has neither. */
  verified(asSent: Sums, location: string): Sums {
    const counting = this.#isPlain || asSent.isPromised ? asSent : this.#sums;
    counting.verify(location);
    return counting;
  }
}
