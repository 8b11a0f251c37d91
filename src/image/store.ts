import { chmod, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory } from '../host/directories.ts';
import { moveDurably } from '../host/durable.ts';
import { errorCode, TransientError, systemMessage } from '../problem.ts';
import { decodeName, encodeName, imagePath } from '../host/store-layout.ts';
import type { LockRequest } from '../host/lock-queue.ts';
import { sweepOrigins } from './origin.ts';
import { openWorkingDirectory, sweepWorkingDirectories } from '../host/working-directory.ts';

/** Directory of a backend in which images are built; listings of a backend skip dot-directories. */
const WORKING = '.working';

/** Name of the download in a working directory; its state file lies beside it. */
const DOWNLOAD = 'download';

/** How long an interrupted download is kept for resumption before it is swept, in milliseconds. */
const KEPT_FOR = 7 * 24 * 3600 * 1000;

/** An image stored in a backend. */
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

/** Lists the images of a backend by name; files that are neither ours nor the Python's are skipped. */
export async function listImages(backend: string): Promise<StoredImage[]> {
  const names = await readdir(backend).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw new TransientError({
      reason: 'unreadable',
      message: `cannot read the image backend ${backend}: ${systemMessage(error)}`,
      hint: 'choose another with --image-backend or TRANSIENT_BACKEND',
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

/** An image under construction: a private working directory, from which one rename publishes the image. */
export interface WorkingImage {
  readonly directory: string;
  /** Path of the download, kept for a later attempt. */
  readonly download: string;
  /** Moves a file into place as the image, read-only. */
  commit: (file: string) => Promise<void>;
  /** Removes the working directory, except a download that can be resumed, and releases the lock. */
  close: (keep: { download: boolean }) => Promise<void>;
}

/** Waits for the image's lock and opens its working directory, in which an earlier download is kept. */
export async function openWorkingImage(
  backend: string,
  image: string,
  request: LockRequest,
): Promise<WorkingImage> {
  const root = join(backend, WORKING);
  await makeBackend(backend, root);
  const working = await openWorkingDirectory(root, encodeName(image), { keep: DOWNLOAD, ...request });
  return {
    directory: working.path,
    download: join(working.path, DOWNLOAD),
    commit: (file) => commit(file, imagePath(backend, image)),
    close: ({ download }) => working.close(download ? DOWNLOAD : undefined),
  };
}

async function commit(file: string, final: string): Promise<void> {
  await chmod(file, 0o444);
  await moveDurably(file, final);
}

/** Removes working directories of dead processes; a recent download is kept for resumption. */
export async function sweepBackend(backend: string): Promise<void> {
  await sweepWorkingDirectories(join(backend, WORKING), async (path) => {
    const download = await stat(join(path, DOWNLOAD)).catch(() => undefined);
    return download !== undefined && Date.now() - download.mtimeMs < KEPT_FOR ? DOWNLOAD : undefined;
  });
  await sweepOrigins(backend);
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
