import type { Readable } from 'node:stream';

/** How much is kept of what a program says beside its work, in bytes: enough for a message. */
const MOST = 64 * 1024;

/** The end of a stream of bytes, whatever its length. */
export class Tail {
  readonly #most: number;
  #chunks: Buffer[] = [];
  #size = 0;
  #left = 0;

  constructor(most = MOST) {
    this.#most = most;
  }

  add(bytes: Buffer): void {
    // the chunk is its reader's to use again
    this.#chunks.push(Buffer.from(bytes));
    this.#size += bytes.length;
    while (this.#size - (this.#chunks[0]?.length ?? 0) >= this.#most) this.#drop();
  }

  /** What is kept, as text, after a line that tells of what is not. */
  get text(): string {
    const text = Buffer.concat(this.#chunks).toString();
    return this.#left === 0 ? text : `[${this.#left} bytes before this are left out]\n${text}`;
  }

  /** The lines that are not empty. */
  get lines(): string[] {
    return this.text.split('\n').filter((line) => line.trim() !== '');
  }

  #drop(): void {
    const first = this.#chunks.shift()?.length ?? 0;
    this.#size -= first;
    this.#left += first;
  }
}

/** Keeps the end of what comes on a stream; listens from now on. */
export function tailOf(stream: Readable | null): Tail {
  const tail = new Tail();
  stream?.on('data', (chunk: Buffer) => tail.add(chunk));
  return tail;
}
