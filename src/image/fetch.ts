import type { Hash } from 'node:crypto';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { noticing } from '../host/noticing.ts';
import type { ImageSource } from '../options/option.ts';
import type { StepContext } from '../plan/contract.ts';
import { TransientError, systemMessage } from '../problem.ts';
import { StartAnew } from './sources/download-faults.ts';
import type { HttpTimes } from './sources/http-times.ts';
import { httpTimes } from './sources/http-times.ts';
import { download } from './sources/http.ts';
import { PartialDownload } from './sources/partial.ts';
import { findBox } from './sources/vagrant.ts';
import type { WorkingImage } from './store.ts';
import { imageSpace } from './unpack/image-space.ts';
import { unpack } from './unpack/unpack.ts';

/** A disk that was brought in: a file, whether it is ours to move, and the sum of the bytes that came. */
export interface Fetched {
  readonly path: string;
  readonly owned: boolean;
  /** What messages call it: its address or the user's own path. */
  readonly shown: string;
  readonly sha256: string;
}

/** A sum that the bytes of a source must have. */
interface Expected {
  readonly algorithm: string;
  readonly digest: string;
}

/** Where the bytes are, and every sum that was promised of them. */
interface Located {
  readonly location: string;
  readonly expected: readonly Expected[];
}

/** How often a server's file may change under us before we give up. */
const ANEW = 5;

const READ_SIZE = 1 << 20;

/** Brings in the disk of a source: downloading, hashing, decompressing and writing are one pass. */
export async function fetchDisk(
  source: ImageSource,
  sha256: string | undefined,
  working: WorkingImage,
  context: StepContext,
): Promise<Fetched> {
  const times = httpTimes(process.env);
  const located = await locate(source, times, context);
  const wanted = sha256 === undefined ? [] : [{ algorithm: 'sha256', digest: sha256.toLowerCase() }];
  const what = { location: located.location, expected: [...located.expected, ...wanted] };
  if (!/^https?:\/\//.test(what.location)) return fetchFile(what, working, context);
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetchUrl(what, working, times, context);
    } catch (error) {
      if (!(error instanceof StartAnew)) throw error;
      if (attempt === ANEW) throw brokenOff(what.location);
      context.note(
        'Starting the download anew: the server cannot go on in the middle, or has another file now',
      );
      await delay(times.retryDelay * 2 ** (attempt - 1), undefined, { signal: context.signal });
    }
  }
}

/** Whether the bytes themselves are to blame, so that another attempt with them is of no use. */
export function isFaultOfImage(error: unknown): error is TransientError {
  return error instanceof TransientError && error.problem.reason === 'image';
}

function brokenOff(url: string): TransientError {
  return new TransientError({
    reason: 'image',
    message: `cannot download ${url}: it broke off ${ANEW} times, and the server cannot go on in the middle`,
    hint: 'try again later, or download it by other means and name the file: NAME,file=PATH',
  });
}

async function locate(
  { protocol, location }: ImageSource,
  times: HttpTimes,
  context: StepContext,
): Promise<Located> {
  if (protocol === 'file') return { location, expected: [] };
  if (protocol === 'http') {
    context.note(`Downloading image from '${location}'`);
    return { location, expected: [] };
  }
  const box = await findBox(location, process.env, times, context);
  context.note(`Pulling from vagrant cloud: ${box.title}`);
  return { location: box.location, expected: box.checksum ? [box.checksum] : [] };
}

async function fetchFile(
  { location, expected }: Located,
  working: WorkingImage,
  context: StepContext,
): Promise<Fetched> {
  const total = await fileSize(location);
  const sums = new Sums(expected);
  const onProgress = (done: number): void => context.progress({ phase: 'reading', done, total });
  const bytes = sums.over(fileBytes(location, onProgress, context.signal));
  const disks = await unpack(bytes, working.directory).catch(tellingOf(location));
  sums.verify(location);
  const [disk] = disks ?? [];
  noteFurtherDisks(disks, context);
  return { path: disk?.path ?? location, owned: disk !== undefined, shown: location, sha256: sums.sha256 };
}

async function fetchUrl(
  { location, expected }: Located,
  working: WorkingImage,
  times: HttpTimes,
  context: StepContext,
): Promise<Fetched> {
  const partial = await PartialDownload.open(working.download, location);
  const sums = new Sums(expected);
  const way = { failed: false };
  try {
    const space = await imageSpace(working.directory);
    const source = download(location, partial, times, context, ({ done, total }) => {
      // told before the disk is full, when the server says how much will come
      if (total !== undefined) space.mustHold(total - done);
      context.progress({ phase: 'downloading', done, ...(total === undefined ? {} : { total }) });
    });
    const watched = noticing(source, () => (way.failed = true));
    const whole = announcingEnd(watched, () =>
      context.note('Download completed. Starting image extraction.'),
    );
    const disks = await unpack(sums.over(whole), working.directory).catch(tellingOf(location));
    sums.verify(location);
    noteFurtherDisks(disks, context);
    const [disk] = disks ?? [];
    return { path: disk?.path ?? partial.path, owned: true, shown: location, sha256: sums.sha256 };
  } catch (error) {
    // what broke on the way is continued by the next attempt; what is wrong in itself is not kept
    if (!way.failed && isFaultOfImage(error)) await partial.clear();
    throw error;
  } finally {
    await partial.close();
  }
}

/** An error that says what it is about: what is wrong within an image does not know where that came from. */
function tellingOf(location: string): (error: unknown) => never {
  return (error) => {
    if (!isFaultOfImage(error) || error.message.includes(location)) throw error;
    throw new TransientError(
      { ...error.problem, message: `${location}: ${error.message}` },
      { cause: error },
    );
  };
}

async function* announcingEnd(bytes: AsyncIterable<Buffer>, onEnd: () => void): AsyncGenerator<Buffer> {
  yield* bytes;
  onEnd();
}

async function fileSize(path: string): Promise<number> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    return found.size;
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

async function* fileBytes(
  path: string,
  onProgress: (done: number) => void,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  let done = 0;
  const stream = createReadStream(path, { highWaterMark: READ_SIZE });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      done += chunk.length;
      onProgress(done);
      yield chunk;
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw cause instanceof Error && 'syscall' in cause ? unreadable(path, cause) : cause;
  }
}

function unreadable(path: string, cause: unknown): TransientError {
  return new TransientError(
    { reason: 'unreadable', message: `cannot read the image file ${path}: ${systemMessage(cause)}` },
    { cause },
  );
}

/** A box can hold several disks; an image is one, so the further ones are told of instead of lost in silence. */
function noteFurtherDisks(disks: readonly { name: string }[] | undefined, { warn }: StepContext): void {
  if (disks === undefined || disks.length < 2) return;
  const [first, ...others] = disks.map(({ name }) => name);
  warn({
    reason: 'image',
    message: `the box holds ${disks.length} disks; "${first}" becomes the image, and ${others.join(', ')} left out`,
    hint: 'give the VM further disks with --extra-image',
  });
}

/** Sums over bytes on their way: SHA-256 for the record, and those that were promised. */
class Sums {
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
