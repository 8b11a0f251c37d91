import type { Sums } from '../sums.ts';
import { gunzipped } from '../unpack/compression.ts';
import { peek } from '../unpack/peek.ts';
import type { Encoding } from './encoding.ts';
import { isGzip } from './encoding.ts';

/**
 * Undoes a Content-Encoding that the server reports. Some servers report one for every file whose name ends in .gz, and
 * there a checksum is that of the file as sent: either may match.
 */
export class Decoding {
  readonly #encoding: () => Encoding | undefined;
  readonly #sums: Sums;
  #isPlain = true;

  /** `encoding` is called when the first bytes are there; `sums` are computed over the decoded bytes. */
  constructor(encoding: () => Encoding | undefined, sums: Sums) {
    this.#encoding = encoding;
    this.#sums = sums;
  }

  /** Whether the bytes are passed on as sent. */
  get isPlain(): boolean {
    return this.#isPlain;
  }

  async *over(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const { head, bytes } = await peek(source);
    this.#isPlain = this.#encoding() === undefined || !isGzip(head);
    yield* this.#isPlain ? bytes : this.#sums.over(gunzipped(bytes));
  }

  /** Returns the checksums that apply: of the bytes as sent (`asSent`) or decoded; rejects if neither match. */
  verified(asSent: Sums, location: string): Sums {
    const counting = this.#isPlain || asSent.isPromised ? asSent : this.#sums;
    counting.verify(location);
    return counting;
  }
}
