import { setTimeout as delay } from 'node:timers/promises';
import type { ImageNeed } from '../config/vm-spec.ts';
import { tapErrors } from '../host/error-tap.ts';
import type { ImageSource } from '../options/values/image-spec.ts';
import { withoutPasswords } from '../options/password.ts';
import type { StepContext } from '../plan/executor.ts';
import { TransientError } from '../problem.ts';
import { SourceFile } from './source-file.ts';
import { Decoding } from './sources/decoding.ts';
import { StartAnew } from './sources/download-faults.ts';
import type { HttpTimes } from './sources/http-times.ts';
import { httpTimes } from './sources/http-times.ts';
import { download } from './sources/http.ts';
import type { ImageLocation } from './sources/location.ts';
import { PartialDownload } from './sources/partial.ts';
import { LOCATE } from './sources/protocols.ts';
import type { WorkingImage } from './store.ts';
import { Sums } from './sums.ts';
import { imageSpace } from './unpack/image-space.ts';
import { unpack } from './unpack/unpack.ts';

/** A fetched disk: a file, whether it may be moved, and the checksum of the received bytes. */
export interface Fetched {
  readonly path: string;
  readonly owned: boolean;
  /** Name in messages: the URL or the user's own path. */
  readonly shown: string;
  readonly sha256: string;
}

/** How often the file on a server may change during a download before it fails. */
const ANEW = 5;

/** Checksum algorithms without known collisions. */
const STRONG = ['sha256', 'sha384', 'sha512'];

/** Fetches the disk of a source; downloading, hashing, decompressing and writing are one pass. */
export async function fetchDisk(
  image: ImageNeed,
  { protocol, location }: ImageSource,
  working: WorkingImage,
  context: StepContext,
): Promise<Fetched> {
  const { sha256 } = image;
  const times = httpTimes(process.env);
  const located = await LOCATE[protocol](location, times, context, image);
  const wanted = sha256 === undefined ? [] : [{ algorithm: 'sha256', digest: sha256 }];
  const target = { location: located.location, expected: [...located.expected, ...wanted] };
  if (!/^https?:\/\//.test(target.location)) return fetchFile(target, working, context);
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetchUrl(target, working, times, context);
    } catch (error) {
      if (!(error instanceof StartAnew)) throw error;
      if (attempt === ANEW) throw brokenOff(target.location);
      context.note('Restarting the download: the server cannot resume it, or the file has changed');
      await delay(times.retryDelay * 2 ** (attempt - 1), undefined, { signal: context.signal });
    }
  }
}

/** Whether the content itself is invalid, so that a retry with the same bytes is pointless. */
export function isFaultOfImage(error: unknown): error is TransientError {
  return error instanceof TransientError && error.problem.reason === 'image';
}

function brokenOff(url: string): TransientError {
  return new TransientError({
    reason: 'image',
    message: `cannot download ${withoutPasswords(url)}: the connection was lost ${ANEW} times, and the server cannot resume a download`,
    hint: 'try again later, or download it by other means and use the file: NAME,file=PATH',
  });
}

async function fetchFile(
  { location, expected }: ImageLocation,
  working: WorkingImage,
  context: StepContext,
): Promise<Fetched> {
  await using file = await SourceFile.open(location);
  const { size: total } = file;
  const sums = new Sums(expected);
  const onProgress = (done: number): void => context.progress({ activity: 'reading', done, total });
  const bytes = sums.over(file.bytes(onProgress, context.signal));
  const disks = await unpack(bytes, working.directory).catch(withLocation(location));
  sums.verify(location);
  const [disk] = disks ?? [];
  noteFurtherDisks(disks, context);
  return { path: disk?.path ?? location, owned: disk !== undefined, shown: location, sha256: sums.sha256 };
}

async function fetchUrl(
  { location, expected }: ImageLocation,
  working: WorkingImage,
  times: HttpTimes,
  context: StepContext,
): Promise<Fetched> {
  const partial = await PartialDownload.open(working.download, location);
  const offset = partial.size;
  const shown = withoutPasswords(location);
  const sums = new Sums(expected);
  const trust = { hasSum: expected.some(({ algorithm }) => STRONG.includes(algorithm)) };
  const stream = { failed: false };
  try {
    const space = await imageSpace(working.directory);
    const source = download(location, partial, times, trust, context, ({ done, total }) => {
      // fails early if the reported size does not fit on the disk
      space.mustHold((total ?? done) - offset);
      context.progress({ activity: 'downloading', done, ...(total === undefined ? {} : { total }) });
    });
    const watched = tapErrors(source, () => (stream.failed = true));
    const whole = announcingEnd(watched, () =>
      context.note('Download completed. Starting image extraction.'),
    );
    const encoding = new Decoding(() => partial.encoding, new Sums(expected));
    const bytes = encoding.over(sums.over(whole));
    const disks = await unpack(bytes, working.directory, () => encoding.isPlain).catch(withLocation(shown));
    const { sha256 } = encoding.verified(sums, shown);
    noteFurtherDisks(disks, context);
    const [disk] = disks ?? [];
    return { path: disk?.path ?? partial.path, owned: true, shown, sha256 };
  } catch (error) {
    // an interrupted download is resumed by the next attempt; an invalid one is not kept
    if (!stream.failed && isFaultOfImage(error)) await partial.clear();
    throw error;
  } finally {
    await partial.close();
  }
}

/** Adds the location to an error about the content of an image. */
function withLocation(location: string): (error: unknown) => never {
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

/** Reports the further disks of a box: an image is only one. */
function noteFurtherDisks(disks: readonly { name: string }[] | undefined, { warn }: StepContext): void {
  if (disks === undefined || disks.length < 2) return;
  const [first, ...others] = disks.map(({ name }) => name);
  warn({
    reason: 'image',
    message: `the box contains ${disks.length} disks; "${first}" becomes the image, and ${others.join(', ')} ignored`,
    hint: 'add further disks to the VM with --extra-image',
  });
}
