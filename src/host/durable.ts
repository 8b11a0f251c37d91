import { randomBytes } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode } from '../problem.ts';

/** Begins the names of texts that are being written. */
const UNFINISHED = '.new-';

/** What a process did not finish to write for so long is swept, in milliseconds. */
const ABANDONED = 3600 * 1000;

/** Puts a finished file in its place: after a power cut it is there as a whole, or not at all. */
export async function moveDurably(from: string, to: string): Promise<void> {
  await sync(from);
  await rename(from, to);
  await syncDirectory(dirname(to));
}

/** Writes a text in one step, of which a reader finds all, and a power cut leaves the old one or the new one. */
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

/** Removes from a directory what processes did not live to finish. */
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

/** Where a filesystem cannot do that with directories, nothing is lost that it could have kept. */
async function syncDirectory(path: string): Promise<void> {
  await sync(path).catch((error: unknown) => {
    if (errorCode(error) !== 'EINVAL') throw error;
  });
}
