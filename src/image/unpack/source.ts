/** Bytes on their way, and whether it was they that failed: then the fault is not one of what they hold. */
export class Source {
  failed = false;
  readonly #bytes: AsyncIterable<Buffer>;

  constructor(bytes: AsyncIterable<Buffer>) {
    this.#bytes = bytes;
  }

  async *bytes(): AsyncGenerator<Buffer> {
    try {
      yield* this.#bytes;
    } catch (error) {
      this.failed = true;
      throw error;
    }
  }
}
