import type { Readable } from 'node:stream';

/** Most diagnostic output kept of a program, in bytes: enough for a message. */
const MOST = 64 * 1024;

/** Keeps the last bytes of a stream. */
export class Tail {
  readonly #most: number;
  #chunks: Buffer[] = [];
  #size = 0;
  #left = 0;

  constructor(most = MOST) {
    this.#most = most;
  }

  add(bytes: Buffer): void {
    // the reader may reuse the chunk
    this.#chunks.push(Buffer.from(bytes));
    this.#size += bytes.length;
    while (this.#size - (this.#chunks[0]?.length ?? 0) >= this.#most) this.#drop();
  }

  /** The kept bytes as text, preceded by a line about omitted ones. */
  get text(): string {
    const text = Buffer.concat(this.#chunks).toString();
    return this.#left === 0 ? text : `[${this.#left} bytes before this are left out]\n${text}`;
  }

  /** The nonempty lines. */
  get lines(): string[] {
    return this.text.split('\n').filter((line) => line.trim() !== '');
  }

  #drop(): void {
    const first = this.#chunks.shift()?.length ?? 0;
    this.#size -= first;
    this.#left += first;
  }
}

/** Collects the tail of a stream from now on. */
export function tailOf(stream: Readable | null): Tail {
  const tail = new Tail();
  stream?.on('data', (chunk: Buffer) => tail.add(chunk));
  return tail;
}
