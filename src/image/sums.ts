import type { Hash } from 'node:crypto';
import { createHash } from 'node:crypto';
import { TransientError } from '../problem.ts';
import { SourceFile } from './source-file.ts';

/** A sum that the bytes of a source must have. */
export interface Expected {
  readonly algorithm: string;
  readonly digest: string;
}

/** Sums over bytes on their way: SHA-256 for the record, and those that were promised. */
export class Sums {
  readonly #hashes = new Map<string, Hash>();
  readonly #expected: readonly Expected[];
  readonly #digests = new Map<string, string>();

  constructor(expected: readonly Expected[]) {
    this.#expected = expected;
    for (const algorithm of new Set(['sha256', ...expected.map((one) => one.algorithm)])) {
      this.#hashes.set(algorithm, createHash(algorithm));
    }
  }

  get sha256(): string {
    return this.#digest('sha256');
  }

  async *over(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of bytes) {
      for (const hash of this.#hashes.values()) hash.update(chunk);
      yield chunk;
    }
  }

  /** Whether sums were promised, and the bytes have them. */
  get isPromised(): boolean {
    const { length } = this.#expected;
    return length > 0 && this.#expected.every(({ algorithm, digest }) => this.#digest(algorithm) === digest);
  }

  verify(location: string): void {
    for (const { algorithm, digest } of this.#expected) {
      const actual = this.#digest(algorithm);
      if (actual === digest) continue;
      throw new TransientError({
        reason: 'image',
        message: `what came from ${location} is not what it should be: its ${algorithm} is ${actual}, expected was ${digest}`,
        hint: 'it was changed, or broken on the way; nothing of it was kept',
      });
    }
  }

  #digest(algorithm: string): string {
    const known = this.#digests.get(algorithm) ?? this.#hashes.get(algorithm)?.digest('hex') ?? '';
    this.#digests.set(algorithm, known);
    return known;
  }
}

/** The SHA-256 of a file or block device. */
export async function sumOfFile(path: string, signal?: AbortSignal): Promise<string> {
  await using file = await SourceFile.open(path);
  const hash = createHash('sha256');
  for await (const chunk of file.bytes(() => undefined, signal)) hash.update(chunk);
  return hash.digest('hex');
}
