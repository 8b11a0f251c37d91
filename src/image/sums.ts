import type { Hash } from 'node:crypto';
import { createHash } from 'node:crypto';
import { TransientError } from '../problem.ts';
import { SourceFile } from './source-file.ts';

/** A checksum that the bytes of a source must match. */
export interface Expected {
  readonly algorithm: string;
  readonly digest: string;
}

/** Error for bytes that are not the expected ones. */
export class ChecksumMismatch extends TransientError {}

/** Beginning of an HTML document, such as the error page of a server (HTML, 13.1). */
const HTML = /^\s*<(!doctype html|html|head|body)\b/i;

/** Checksums computed while bytes pass through: SHA-256 for the record, and every expected algorithm. */
export class Sums {
  readonly #hashes = new Map<string, Hash>();
  readonly #expected: readonly Expected[];
  readonly #digests = new Map<string, string>();
  #head = Buffer.alloc(0);

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
      if (this.#head.length === 0) this.#head = Buffer.from(chunk.subarray(0, 64));
      for (const hash of this.#hashes.values()) hash.update(chunk);
      yield chunk;
    }
  }

  /** Whether there are expected checksums and all of them match. */
  get isPromised(): boolean {
    const { length } = this.#expected;
    return length > 0 && this.#expected.every(({ algorithm, digest }) => this.#digest(algorithm) === digest);
  }

  verify(location: string): void {
    for (const { algorithm, digest } of this.#expected) {
      const actual = this.#digest(algorithm);
      if (actual === digest) continue;
      if (HTML.test(this.#head.toString('latin1'))) throw webPage(location);
      throw new ChecksumMismatch({
        reason: 'image',
        message: `checksum mismatch for ${location}: expected ${algorithm} ${digest}, got ${actual}`,
        hint: 'the file changed on the server or was corrupted in transit; nothing was kept',
      });
    }
  }

  #digest(algorithm: string): string {
    const digest = this.#digests.get(algorithm) ?? this.#hashes.get(algorithm)?.digest('hex') ?? '';
    this.#digests.set(algorithm, digest);
    return digest;
  }
}

function webPage(location: string): TransientError {
  return new TransientError({
    reason: 'image',
    message: `${location} is an HTML page, not an image`,
    hint: 'open it in a browser: it may be an error page, or the login page of a network',
  });
}

/** Computes the SHA-256 of a file or block device. */
export async function sumOfFile(path: string, signal?: AbortSignal): Promise<string> {
  await using file = await SourceFile.open(path);
  const hash = createHash('sha256');
  for await (const chunk of file.bytes(() => undefined, signal)) hash.update(chunk);
  return hash.digest('hex');
}
