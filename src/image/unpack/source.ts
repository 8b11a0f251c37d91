/** A stream of bytes that records whether the stream itself failed, as opposed to its content being invalid. */
export class ByteSource {
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
