import { chmodSync, lstatSync, readdirSync, rmSync, rmdirSync, unlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { errorCode } from '../problem.ts';
import { HeldDirectory } from './held-directory.ts';

/** Removes a directory of ours, whatever somebody else has put into it. */
export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => removeStubbornTree(path));
}

/** The same at once, for when there is no time left. */
export function removeTreeNow(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    removeStubbornTree(path);
  }
}

/** Node's own removal stops at directories without the right to write, and at paths that are too long as a whole. */
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

/** Node's removal gives up while some of its threads are still at work. */
function ignoreMissing(removal: () => void): void {
  try {
    removal();
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
