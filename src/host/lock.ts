import type { FileHandle } from 'node:fs/promises';
import { open, stat, unlink } from 'node:fs/promises';
import { runOnFile } from './process.ts';

/** An exclusive lock on a file, held until it is released or we die. */
export interface Lock {
  release: () => Promise<void>;
}

/**
 * Takes the kernel's lock on a file, which is made where it is missing and removed again on release.
 * The lock belongs to our open file: `flock` only asks for it and may then exit. Waits for another holder,
 * or, with `wait: false`, returns undefined where there is one.
 */
export async function lockFile(
  path: string,
  { wait = true, signal }: { wait?: boolean; signal?: AbortSignal } = {},
): Promise<Lock | undefined> {
  for (;;) {
    signal?.throwIfAborted();
    const file = await open(path, 'a', 0o600);
    const taken = await flock(file, wait, signal).catch(async (error: unknown) => {
      await giveUp(file, path);
      throw error;
    });
    if (!taken) {
      await file.close();
      return undefined;
    }
    if (await isStillAt(file, path)) return { release: () => release(file, path) };
    // the holder before us removed the file: the lock we got is on a file that nobody else will find
    await file.close();
  }
}

async function flock(file: FileHandle, wait: boolean, signal?: AbortSignal): Promise<boolean> {
  const exit = await runOnFile('flock', ['-x', ...(wait ? [] : ['-n']), '0'], file.fd, signal);
  return exit.code === 0;
}

/** A wait that was ended may have made the file: it goes, unless somebody else holds it. */
async function giveUp(file: FileHandle, path: string): Promise<void> {
  const free = await flock(file, false).catch(() => false);
  if (free && (await isStillAt(file, path))) await release(file, path);
  else await file.close();
}

async function isStillAt(file: FileHandle, path: string): Promise<boolean> {
  const ours = await file.stat();
  const there = await stat(path).catch(() => undefined);
  return there?.ino === ours.ino && there.dev === ours.dev;
}

async function release(file: FileHandle, path: string): Promise<void> {
  // removed while we hold it, so that whoever waits sees that the file is gone and makes a new one
  await unlink(path).catch(() => undefined);
  await file.close();
}
