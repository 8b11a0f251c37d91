import type { Stats } from 'node:fs';
import { readFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, stat, unlink } from 'node:fs/promises';
import { publishHolder } from './lock-holder.ts';
import { runOnFile } from './run.ts';

/** An exclusive lock on a file, held until it is released or we die. */
export interface Lock {
  release: () => Promise<void>;
}

/** How a lock is asked for: waiting for another holder, or, with `wait: false`, not. */
interface LockOptions {
  readonly wait?: boolean;
  readonly signal?: AbortSignal;
  /** What we do while we hold it; whoever waits meanwhile can read it in the file (lock-holder.ts). */
  readonly task?: string;
}

/**
 * Takes the kernel's lock on a file, which is made where it is missing and removed again on release.
 * The lock belongs to our open file: `flock` only asks for it and may then exit. Waits for another holder,
 * or, with `wait: false`, returns undefined where there is one.
 */
export async function lockFile(path: string, options: LockOptions = {}): Promise<Lock | undefined> {
  return takeLock(path, 'passing', options);
}

/** The same on a file that is there anyway, for a purpose of its own: it is neither made nor removed. */
export async function lockKeptFile(
  path: string,
  options: Omit<LockOptions, 'task'> = {},
): Promise<Lock | undefined> {
  return takeLock(path, 'kept', options);
}

async function takeLock(
  path: string,
  kind: 'passing' | 'kept',
  { wait = true, signal, task }: LockOptions,
): Promise<Lock | undefined> {
  for (;;) {
    signal?.throwIfAborted();
    const file = await (kind === 'passing' ? open(path, 'a', 0o600) : open(path, 'r'));
    const taken = await flock(file, wait, signal).catch(async (error: unknown) => {
      if (kind === 'passing') await giveUp(file, path);
      else await file.close();
      throw error;
    });
    if (!taken) {
      await file.close();
      return undefined;
    }
    if (await isStillAt(file, path)) {
      // whoever waits can do without it, where the disk is full
      if (task !== undefined) await publishHolder(file, task).catch(() => undefined);
      return { release: () => (kind === 'passing' ? release(file, path) : file.close()) };
    }
    // the holder before us removed the file: the lock we got is on a file that nobody else will find
    await file.close();
  }
}

/**
 * Whether somebody holds the kernel's lock on a file, as far as `/proc/locks` shows it: not, for instance, where the
 * process that asked for the lock has ended and we see only the processes of a container.
 */
export function isLockedFile({ dev, ino }: Pick<Stats, 'dev' | 'ino'>): boolean {
  const hexadecimal = (part: number): string => part.toString(16).padStart(2, '0');
  // how Linux packs the two halves of a device's number (gnu_dev_major(3))
  const major = (dev >> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  const wanted = ` ${hexadecimal(major)}:${hexadecimal(minor)}:${ino} `;
  try {
    return readFileSync('/proc/locks', 'utf8')
      .split('\n')
      .some((line) => line.includes(' FLOCK ') && line.includes(wanted));
  } catch {
    return false;
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
  const held = await file.stat();
  const current = await stat(path).catch(() => undefined);
  return current?.ino === held.ino && current.dev === held.dev;
}

async function release(file: FileHandle, path: string): Promise<void> {
  // removed while we hold it, so that whoever waits sees that the file is gone and makes a new one
  await unlink(path).catch(() => undefined);
  await file.close();
}
