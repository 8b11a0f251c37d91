import type { Stats } from 'node:fs';
import { lstat, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join, posix } from 'node:path';
import { makeDirectory } from '../host/directories.ts';
import { openStaging } from '../host/staging.ts';
import { TransientError, systemMessage } from '../problem.ts';

/** Where on the host something from a guest is to lie, and a private directory beside it to receive it in. */
export interface Landing {
  readonly target: string;
  readonly stage: string;
  /** Puts what was received in its place, as `cp -a` would: directories are joined, anything else is replaced. */
  settle: () => Promise<void>;
  /** Removes what was received and not settled. */
  remove: () => Promise<void>;
}

/** The name of the thing at a guest path. */
export function nameIn(guestPath: string): string {
  return posix.basename(guestPath);
}

/**
 * Prepares the place for a guest's file: below a destination that is a directory or ends in a slash by its own name,
 * else as the destination. Directories above it are made. `runDirectory` is the private directory of this process.
 */
export async function openLanding(
  destination: string,
  guestPath: string,
  runDirectory: string,
): Promise<Landing> {
  try {
    const isInto =
      destination.endsWith('/') || (await stat(destination).catch(() => undefined))?.isDirectory() === true;
    const target = isInto ? join(destination, nameIn(guestPath)) : destination;
    await makeDirectory(dirname(target));
    const { path: stage, remove } = await openStaging(dirname(target), runDirectory);
    return { target, stage, settle: () => settle(join(stage, nameIn(guestPath)), target), remove };
  } catch (cause) {
    const message = `cannot write to ${destination} on the host: ${systemMessage(cause)}`;
    throw new TransientError({ reason: 'host', message }, { cause });
  }
}

async function settle(from: string, target: string): Promise<void> {
  const came = await statOf(from);
  if (came === undefined) {
    const message = `the guest sent nothing by the name of ${basename(from)}`;
    const hint = 'it was there a moment before: copy it again, when nothing in the guest takes it away';
    throw new TransientError({ reason: 'guest', message, hint });
  }
  const there = await statOf(target);
  if (came.isDirectory() && there?.isDirectory() === true) {
    for (const name of await readdir(from)) await settle(join(from, name), join(target, name));
    await rmdir(from);
    return;
  }
  if (there?.isDirectory() === true) throw isDirectory(target);
  if (came.isDirectory() && there !== undefined) await rm(target);
  await rename(from, target);
}

async function statOf(path: string): Promise<Stats | undefined> {
  return lstat(path).catch(() => undefined);
}

function isDirectory(target: string): TransientError {
  const message = `${target} is a directory on the host, and a file is to be put there`;
  return new TransientError({
    reason: 'host',
    message,
    hint: 'remove it, or name another place on the host',
  });
}
