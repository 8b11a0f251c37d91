import { mkdir, readdir, rm } from 'node:fs/promises';
import { exists } from './exists.ts';
import { join } from 'node:path';
import type { Lock } from './lock.ts';
import { lockFile } from './lock.ts';
import type { LockRequest } from './lock-queue.ts';
import { lockInTurn } from './lock-queue.ts';

/** A private directory in which one thing is made, before one rename puts it into its place. */
export interface WorkingDirectory {
  readonly path: string;
  /** Removes it, but what has a name that begins as given, and lets others make the same thing. */
  close: (keep?: string) => Promise<void>;
}

/**
 * Waits until nobody else makes the thing with this file name below `root`, and opens its directory. Only the holder
 * of the lock writes there, so what lies in it was left by a process that died: it is removed, but for what has a name
 * that begins with `keep`.
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

/** Removes what processes left that died; `keep` says of a directory what in it is still of use, if anything. */
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

/** No encoded name holds a `%` that two hexadecimal digits do not follow. */
function lockPath(root: string, name: string): string {
  return join(root, `${name}%lock`);
}

async function close(path: string, keep: string | undefined, lock: Lock | undefined): Promise<void> {
  const kept = keep !== undefined && (await exists(join(path, keep)));
  if (kept) await removeAllBut(path, keep);
  else await rm(path, { recursive: true, force: true });
  await lock?.release();
}

/** Empties a directory but for the files whose names begin as given; one that is not there is empty. */
async function removeAllBut(directory: string, kept: string | undefined): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  const others = names.filter((name) => kept === undefined || !name.startsWith(kept));
  await Promise.all(others.map((name) => rm(join(directory, name), { recursive: true, force: true })));
}
