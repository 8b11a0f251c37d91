import type { Stats } from 'node:fs';
import { constants, lstatSync, rmSync, statSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { TransientError, systemMessage } from '../problem.ts';
import { onEarlyExit } from './last-resort.ts';
import type { Lock } from './lock.ts';
import { lockFile } from './lock.ts';
import { sweepStagingOf } from './staging.ts';

/** Private directory of this process for keys, logs and sockets, removed when the process ends. */
export interface RunDirectory {
  readonly path: string;
  remove: () => Promise<void>;
  /** Renames it, replacing a directory of that name, so that it outlives the process. */
  leaveAs: (name: string) => Promise<void>;
}

/** Age at which an unlocked directory of a dead process is removed, in milliseconds. */
const NEWBORN = 60_000;

const LOCK = 'lock';

/** Prefix of lock names next to the run directories, one for each detached project. */
export const PROJECT_LOCK = 'project-';

/**
 * Creates the run directory of this process below `XDG_RUNTIME_DIR`, or `/tmp/transient-UID` if that is unset, and removes
 * those of dead processes.
 */
export async function openRunDirectory(environment: NodeJS.ProcessEnv): Promise<RunDirectory> {
  const base = await privateBase(environment);
  await sweep(base);
  const newborn = await mkdtemp(join(base, 'new-'));
  const lock = await lockFile(join(newborn, LOCK)).catch(async (error: unknown) => {
    await rm(newborn, { recursive: true, force: true });
    throw error;
  });
  const path = join(base, basename(newborn).replace('new-', `run-${process.pid}-`));
  await rename(newborn, path);
  const forget = onEarlyExit(() => rmSync(path, { recursive: true, force: true }));
  return {
    path,
    remove: async () => {
      await remove(path, lock);
      forget();
    },
    leaveAs: async (name) => {
      await rm(join(base, name), { recursive: true, force: true });
      await rm(join(path, LOCK), { force: true });
      await rename(path, join(base, name));
      await lock?.release();
      forget();
    },
  };
}

/** Renames the directory before removing it: a concurrent sweep would recreate its lock file. */
async function remove(path: string, lock: Lock | undefined): Promise<void> {
  const gone = join(dirname(path), basename(path).replace('run-', 'gone-'));
  await rename(path, gone).catch(() => undefined);
  await rm(gone, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
  await lock?.release();
}

/**
 * Possible parents of this user's run directories that no other user can write to: sessions with and without a runtime
 * directory (cron, sudo) use different ones.
 */
export function runtimeBases(environment: NodeJS.ProcessEnv): string[] {
  const candidates = [baseIn(environment), `/run/user/${userId()}/transient`, baseIn({})];
  return [...new Set(candidates)].filter(isTrusted);
}

function isTrusted(base: string): boolean {
  try {
    refuseForeign(base, 'the runtime directory', lstatSync);
    return true;
  } catch {
    return false;
  }
}

function baseIn({ XDG_RUNTIME_DIR: runtime }: NodeJS.ProcessEnv): string {
  return runtime ? join(runtime, 'transient') : join(tmpdir(), `transient-${userId()}`);
}

function userId(): number {
  return process.getuid?.() ?? 0;
}

/** Parent of this process's run directory: created if missing, rejected if other users could write to it. */
export async function privateBase(environment: NodeJS.ProcessEnv): Promise<string> {
  const runtime = environment['XDG_RUNTIME_DIR'];
  if (runtime) refuseForeign(runtime, 'XDG_RUNTIME_DIR', statSync);
  const base = baseIn(environment);
  try {
    await mkdir(base, { mode: 0o700 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw unusable(base, systemMessage(cause), cause);
  }
  // in a shared /tmp another user may have created a link or directory of that name
  refuseForeign(base, 'the runtime directory', lstatSync);
  await chmod(base, 0o700);
  return base;
}

function refuseForeign(path: string, what: string, look: (path: string) => Stats): void {
  const found = seen(path, what, look);
  if (!found.isDirectory()) throw unusable(path, `${what} is not a directory`);
  const us = process.getuid?.();
  if (us !== undefined && found.uid !== us) {
    throw unusable(path, `${what} belongs to user ${found.uid}, and we are user ${us}`);
  }
  if (us !== 0 && (found.mode & constants.S_IWUSR) === 0) throw unusable(path, `${what} is not writable`);
}

function seen(path: string, what: string, look: (path: string) => Stats): Stats {
  try {
    return look(path);
  } catch (cause) {
    throw unusable(path, `${what}: ${systemMessage(cause)}`, cause);
  }
}

function unusable(path: string, why: string, cause?: unknown): TransientError {
  return new TransientError(
    {
      reason: 'host',
      message: `cannot use the runtime directory ${path}: ${why}`,
      hint: 'set XDG_RUNTIME_DIR to a directory that only you can use, or unset it',
    },
    { cause },
  );
}

/** Removes the run directories of dead processes. */
export async function sweepRunDirectories(environment: NodeJS.ProcessEnv): Promise<void> {
  await Promise.all(runtimeBases(environment).map((base) => sweep(base)));
}

/** Removes the directories of dead processes, whose lock is free. */
async function sweep(base: string): Promise<void> {
  const names = await readdir(base);
  await Promise.all(names.map((name) => sweepOne(join(base, name))));
}

async function sweepOne(path: string): Promise<void> {
  const name = basename(path);
  if (name.startsWith('new-')) {
    const found = await stat(path).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > NEWBORN) await rm(path, { recursive: true, force: true });
  } else if (name.startsWith('run-')) {
    const lock = await lockFile(join(path, LOCK), { wait: false }).catch(() => undefined);
    if (lock) {
      await sweepStagingOf(path);
      await remove(path, lock);
    }
  } else if (name.startsWith(PROJECT_LOCK)) {
    // taking and releasing the lock removes its file
    const lock = await lockFile(path, { wait: false }).catch(() => undefined);
    await lock?.release();
  } else if (name.startsWith('gone-'))
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
}
