import { chmod, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory } from '../host/directories.ts';
import { errorCode, TransientError, systemMessage } from '../problem.ts';
import type { Lock } from '../host/lock.ts';
import { lockFile } from '../host/lock.ts';
import { decodeName, encodeName, imagePath } from '../host/paths.ts';

/** Directory of a backend in which images are made; whatever lists a backend skips dot-directories. */
const WORKING = '.working';

/** Name of the file in a working directory that holds a download; its state lies beside it. */
const DOWNLOAD = 'download';

/** How long the download of a killed process waits to be continued before it is swept, in milliseconds. */
const KEPT_FOR = 7 * 24 * 3600 * 1000;

/** An image that a backend holds. */
export interface StoredImage {
  readonly name: string;
  readonly path: string;
  readonly added: Date;
}

/** Whether the backend holds the image. */
export async function isStored(backend: string, image: string): Promise<boolean> {
  const found = await stat(imagePath(backend, image)).catch(() => undefined);
  return found?.isFile() === true;
}

/** The images of a backend by name; what is no image of ours or the Python's is passed over. */
export async function listImages(backend: string): Promise<StoredImage[]> {
  const names = await readdir(backend).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw new TransientError({
      reason: 'unreadable',
      message: `cannot read the backend ${backend}: ${systemMessage(error)}`,
    });
  });
  const found = await Promise.all(names.map((file) => storedImage(backend, file)));
  return found.filter((image) => image !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function storedImage(backend: string, file: string): Promise<StoredImage | undefined> {
  const name = decodeName(file);
  if (file.startsWith('.') || name === undefined) return undefined;
  const path = join(backend, file);
  const facts = await stat(path).catch(() => undefined);
  return facts?.isFile() === true ? { name, path, added: facts.mtime } : undefined;
}

/** The making of one image: a private directory to write in, from which one rename makes the image. */
export interface WorkingImage {
  readonly directory: string;
  /** Where a download is kept for a later attempt. */
  readonly download: string;
  /** Makes a written file the image, read-only. */
  commit: (file: string) => Promise<void>;
  /** Removes what is left, but a download that may be continued, and lets others go on. */
  close: (keep: { download: boolean }) => Promise<void>;
}

/**
 * Waits until nobody else makes this image and opens its working directory. Only the holder of the lock writes
 * there, so what lies in it was left by a process that died: a download may be continued, the rest is removed.
 */
export async function openWorkingImage(
  backend: string,
  image: string,
  signal: AbortSignal,
): Promise<WorkingImage> {
  const working = join(backend, WORKING);
  await makeBackend(backend, working);
  const name = encodeName(image);
  const lock = await lockFile(lockPath(working, name), { signal });
  const directory = join(working, name);
  await removeAllBut(directory, DOWNLOAD);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return {
    directory,
    download: join(directory, DOWNLOAD),
    commit: (file) => commit(file, imagePath(backend, image)),
    close: ({ download }) => close(directory, download, lock),
  };
}

/** No encoded name holds a `%` that two hexadecimal digits do not follow. */
function lockPath(working: string, name: string): string {
  return join(working, `${name}%lock`);
}

async function commit(file: string, final: string): Promise<void> {
  await chmod(file, 0o444);
  await rename(file, final);
}

async function close(directory: string, keepDownload: boolean, lock: Lock | undefined): Promise<void> {
  const kept = keepDownload && (await exists(join(directory, DOWNLOAD)));
  if (kept) await removeAllBut(directory, DOWNLOAD);
  else await rm(directory, { recursive: true, force: true });
  await lock?.release();
}

/** Empties a directory but for the files whose names begin as given; one that is not there is empty. */
async function removeAllBut(directory: string, kept: string): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  const others = names.filter((name) => !name.startsWith(kept));
  await Promise.all(others.map((name) => rm(join(directory, name), { recursive: true, force: true })));
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** Removes what processes left that died while they made images; a fresh download stays, to be continued. */
export async function sweepBackend(backend: string): Promise<void> {
  const working = join(backend, WORKING);
  const names = await readdir(working).catch(() => []);
  const images = new Set(names.map((name) => name.replace(/%lock$/, '')));
  await Promise.all([...images].map((name) => sweepOne(working, name)));
}

async function sweepOne(working: string, name: string): Promise<void> {
  const lock = await lockFile(lockPath(working, name), { wait: false }).catch(() => undefined);
  if (lock === undefined) return;
  const directory = join(working, name);
  const download = await stat(join(directory, DOWNLOAD)).catch(() => undefined);
  const fresh = download !== undefined && Date.now() - download.mtimeMs < KEPT_FOR;
  await close(directory, fresh, lock);
}

async function makeBackend(backend: string, working: string): Promise<void> {
  try {
    await makeDirectory(working);
  } catch (cause) {
    throw new TransientError(
      {
        reason: 'unreadable',
        message: `cannot write to the image backend ${backend}: ${systemMessage(cause)}`,
        hint: 'choose another with --image-backend or TRANSIENT_BACKEND',
      },
      { cause },
    );
  }
}
