import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import * as z from 'zod';
import { withoutPasswords } from '../../options/password.ts';
import type { Encoding } from './encoding.ts';

/** State stored beside a partial download, to decide whether it can be resumed. */
const stateSchema = z.object({
  url: z.string(),
  validator: z.string().optional(),
  encoding: z.literal('gzip').optional(),
});

/**
 * The bytes of a download as sent, kept so that another attempt, also of another process, can resume it. The caller
 * holds the lock of the image.
 */
export class PartialDownload {
  readonly path: string;
  readonly #url: string;
  #size: number;
  #validator: string | undefined;
  #encoding: Encoding | undefined;
  #file: FileHandle | undefined;

  private constructor(path: string, url: string) {
    this.path = path;
    this.#url = url;
    this.#size = 0;
  }

  /** Opens the partial download of an earlier attempt at the same URL, or an empty one. */
  static async open(path: string, address: string): Promise<PartialDownload> {
    const url = withoutPasswords(address);
    const state = await readState(`${path}.json`);
    const size = (await stat(path).catch(() => undefined))?.size ?? 0;
    const partial = new PartialDownload(path, url);
    if (state?.url !== url || state.validator === undefined || size === 0) await partial.clear();
    else {
      partial.#size = size;
      partial.#validator = state.validator;
      partial.#encoding = state.encoding;
    }
    return partial;
  }

  get size(): number {
    return this.#size;
  }

  /** Validator of the file, for If-Range: an ETag or a date. */
  get validator(): string | undefined {
    return this.#validator;
  }

  /** Content encoding of the received bytes, as reported by the server. */
  get encoding(): Encoding | undefined {
    return this.#encoding;
  }

  /** Records the validator and encoding of the file whose bytes will follow; also if there is no validator. */
  async begin(validator: string | undefined, encoding: Encoding | undefined): Promise<void> {
    if (this.#size > 0) return;
    this.#validator = validator;
    this.#encoding = encoding;
    await writeFile(`${this.path}.json`, JSON.stringify({ url: this.#url, validator, encoding }));
    this.#file ??= await open(this.path, 'a', 0o600);
  }

  async append(chunk: Buffer): Promise<void> {
    this.#file ??= await open(this.path, 'a', 0o600);
    await this.#file.writeFile(chunk);
    this.#size += chunk.length;
  }

  /** Reads the bytes that were received already. */
  async *read(): AsyncGenerator<Buffer> {
    if (this.#size === 0) return;
    for await (const chunk of createReadStream(this.path, { highWaterMark: 1 << 20 })) yield chunk as Buffer;
  }

  async clear(): Promise<void> {
    await this.close();
    await rm(this.path, { force: true });
    await rm(`${this.path}.json`, { force: true });
    this.#size = 0;
    this.#validator = undefined;
    this.#encoding = undefined;
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }
}

async function readState(path: string): Promise<z.infer<typeof stateSchema> | undefined> {
  try {
    return stateSchema.safeParse(JSON.parse(await readFile(path, 'utf8'))).data;
  } catch {
    return undefined;
  }
}
