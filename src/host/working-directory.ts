import { mkdir, readdir, rm } from 'node:fs/promises';
import { exists } from './exists.ts';
import { join } from 'node:path';
import type { Lock } from './lock.ts';
import { lockFile } from './lock.ts';
import type { LockRequest } from './lock-queue.ts';
import { lockInTurn } from './lock-queue.ts';

/** A private directory in which a file is built before it is renamed into place. */
export interface WorkingDirectory {
  readonly path: string;
  /** Removes it, except files with the given prefix, and releases the lock. */
  close: (keep?: string) => Promise<void>;
}

/**
 * Locks and opens the working directory for a file name below `root`, waiting for another holder. Existing files in it
 * were left by a dead process and are removed, except those whose names begin with `keep`.
 */
export async function openWorkingDirectory(
  root: string,
  name: string,
  { keep, ...request }: LockRequest & { readonly keep?: string },
): Promise<WorkingDirectory> {
  const lock = await lockInTurn(lockPath(root, name), request);
  const path = join(root, name);
  await removeAllBut(path, keep);
  await mkdir(path, { recursive: true, mode: 0o700 });
  return { path, close: (kept) => close(path, kept, lock) };
}

/** Removes working directories of dead processes; `keep` returns the prefix of files to keep in a directory, if any. */
export async function sweepWorkingDirectories(
  root: string,
  keep: (path: string) => Promise<string | undefined> = () => Promise.resolve(undefined),
): Promise<void> {
  const names = await readdir(root).catch(() => []);
  const things = new Set(names.map((name) => name.replace(/%lock$/, '')));
  await Promise.all([...things].map((name) => sweepOne(root, name, keep)));
}

async function sweepOne(
  root: string,
  name: string,
  keep: (path: string) => Promise<string | undefined>,
): Promise<void> {
  const lock = await lockFile(lockPath(root, name), { wait: false }).catch(() => undefined);
  if (lock === undefined) return;
  const path = join(root, name);
  await close(path, await keep(path), lock);
}

/** Cannot occur in an encoded name, where `%` is followed by two hexadecimal digits. */
function lockPath(root: string, name: string): string {
  return join(root, `${name}%lock`);
}

async function close(path: string, keep: string | undefined, lock: Lock | undefined): Promise<void> {
  const kept = keep !== undefined && (await exists(join(path, keep)));
  if (kept) await removeAllBut(path, keep);
  else await rm(path, { recursive: true, force: true });
  await lock?.release();
}

/** Empties a directory except for files with the given prefix; a missing one is ignored. */
async function removeAllBut(directory: string, kept: string | undefined): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  const others = names.filter((name) => kept === undefined || !name.startsWith(kept));
  await Promise.all(others.map((name) => rm(join(directory, name), { recursive: true, force: true })));
}
