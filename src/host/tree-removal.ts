import { chmodSync, lstatSync, readdirSync, rmSync, rmdirSync, unlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { errorCode } from '../problem.ts';
import { HeldDirectory } from './held-directory.ts';

/** Removes one of our directories with any content. */
export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => removeStubbornTree(path));
}

/** Removes a directory synchronously, for use on exit. */
export function removeTreeNow(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    removeStubbornTree(path);
  }
}

/** Node's removal fails on directories without write permission, and on paths that are too long. */
function removeStubbornTree(path: string): void {
  ignoreMissing(() => {
    {
      using directory = HeldDirectory.at(path);
      emptyDirectory(directory);
    }
    rmdirSync(path);
  });
}

function emptyDirectory(directory: HeldDirectory): void {
  chmodSync(directory.path, 0o700);
  for (const name of readdirSync(directory.path, { encoding: 'buffer' })) {
    ignoreMissing(() => removeEntry(directory, name));
  }
}

function removeEntry(directory: HeldDirectory, name: Buffer): void {
  const place = directory.entry(name);
  if (!lstatSync(place).isDirectory()) {
    unlinkSync(place);
    return;
  }
  {
    using inner = directory.below(name);
    emptyDirectory(inner);
  }
  rmdirSync(place);
}

/** Node's removal may reject while some of its threads are still working. */
function ignoreMissing(removal: () => void): void {
  try {
    removal();
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
