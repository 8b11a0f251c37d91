import type { Stats } from 'node:fs';
import { readFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, stat, unlink } from 'node:fs/promises';
import { publishHolder } from './lock-holder.ts';
import { runOnFile } from './run.ts';

/** An exclusive lock on a file, held until it is released or the process exits. */
export interface Lock {
  release: () => Promise<void>;
}

/** Options of a lock; `wait: false` does not wait for another holder. */
interface LockOptions {
  readonly wait?: boolean;
  readonly signal?: AbortSignal;
  /** Task while we hold it, recorded in the file for waiting processes (lock-holder.ts). */
  readonly task?: string;
}

/**
 * Takes the kernel's lock on a file, which is created if missing and removed on release.
 * The lock belongs to our open file: `flock` only acquires it and may then exit. Waits for another holder,
 * or, with `wait: false`, returns undefined if there is one.
 */
export async function lockFile(path: string, options: LockOptions = {}): Promise<Lock | undefined> {
  return takeLock(path, 'passing', options);
}

/** Takes a lock on an existing file, which is neither created nor removed. */
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
      // the record is optional, e.g. if the disk is full
      if (task !== undefined) await publishHolder(file, task).catch(() => undefined);
      return { release: () => (kind === 'passing' ? release(file, path) : file.close()) };
    }
    // the previous holder removed the file, so that our lock is on an unlinked one
    await file.close();
  }
}

/**
 * Whether the kernel's lock on a file is held, as far as `/proc/locks` shows it: not, for instance, if the process that
 * acquired the lock has exited and we only see the processes of a container.
 */
export function isLockedFile({ dev, ino }: Pick<Stats, 'dev' | 'ino'>): boolean {
  const hexadecimal = (part: number): string => part.toString(16).padStart(2, '0');
  // encoding of major and minor device numbers on Linux (gnu_dev_major(3))
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

/** Removes the file that an aborted wait may have created, unless another process holds it. */
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
  // removed while we hold it, so that a waiting process notices and creates a new one
  await unlink(path).catch(() => undefined);
  await file.close();
}
