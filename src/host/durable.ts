import { randomBytes } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode } from '../problem.ts';

/** Prefix of the names of files being written. */
const UNFINISHED = '.new-';

/** Age at which unfinished files are removed, in milliseconds. */
const ABANDONED = 3600 * 1000;

/** Moves a finished file into place durably: after a power cut it is complete or absent. */
export async function moveDurably(from: string, to: string): Promise<void> {
  await sync(from);
  await rename(from, to);
  await syncDirectory(dirname(to));
}

/** Writes a text atomically and durably: readers and a power cut see the old or the new one. */
export async function writeDurably(path: string, text: string, mode = 0o644): Promise<void> {
  const unfinished = join(dirname(path), `${UNFINISHED}${randomBytes(4).toString('hex')}-${basename(path)}`);
  try {
    await using file = await open(unfinished, 'wx', mode);
    await file.writeFile(text);
    await moveDurably(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

/** Removes unfinished files of dead processes from a directory. */
export async function sweepUnfinished(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names.filter((one) => one.startsWith(UNFINISHED))) {
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > ABANDONED) await rm(path, { force: true });
  }
}

async function sync(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.sync();
}

/** Syncs a directory; ignored on filesystems that do not support it. */
async function syncDirectory(path: string): Promise<void> {
  await sync(path).catch((error: unknown) => {
    if (errorCode(error) !== 'EINVAL') throw error;
  });
}
