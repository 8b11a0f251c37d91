import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import type { HeldDirectory } from '../host/held-directory.ts';
import { isStagingName } from '../host/staging.ts';
import { TransientError, errorCode } from '../problem.ts';
import type { Turns } from './turns.ts';

/** A name in an open directory, whether or not it exists; no link can redirect it elsewhere. */
export interface Place {
  readonly directory: HeldDirectory;
  readonly name: Buffer;
}

/** Permission bits that the owner needs to list a directory and to move or remove its entries. */
export const OPEN = 0o700;

export function isAnything(place: Place): boolean {
  return lstatSync(pathOf(place), { throwIfNoEntry: false }) !== undefined;
}

function isDirectory(place: Place): boolean {
  return lstatSync(pathOf(place), { throwIfNoEntry: false })?.isDirectory() === true;
}

function pathOf({ directory, name }: Place): Buffer {
  return directory.entry(name);
}

/**
 * Moves a tree with the semantics of `cp -a`: directories are merged, anything else is replaced. `shown` is the new
 * path.
 */
export async function moveTree(from: Place, to: Place, shown: string, turns: Turns): Promise<void> {
  await turns.take();
  if (!isDirectory(from)) {
    replaceFile(from, to, shown);
    return;
  }
  using directory = from.directory.below(from.name);
  using existing = to.directory.find(to.name);
  if (existing === undefined) await moveDirectory(from, directory, to);
  else await joinDirectories(directory, existing, shown, turns);
}

function replaceFile(from: Place, to: Place, shown: string): void {
  try {
    renameSync(pathOf(from), pathOf(to));
  } catch (error) {
    throw errorCode(error) === 'EISDIR' ? directoryInTheWay(shown) : error;
  }
}

async function moveDirectory(from: Place, directory: HeldDirectory, to: Place): Promise<void> {
  unless('ENOENT', () => unlinkSync(pathOf(to)));
  // the rename changes its `..` entry, for which it must be writable
  await whileOpen(directory, () => {
    renameSync(pathOf(from), pathOf(to));
    return Promise.resolve();
  });
}

async function joinDirectories(
  from: HeldDirectory,
  to: HeldDirectory,
  shown: string,
  turns: Turns,
): Promise<void> {
  await whileOpen(from, () =>
    whileOpen(to, async () => {
      for (const name of namesIn(from))
        await moveTree(
          { directory: from, name },
          { directory: to, name },
          `${shown}/${name.toString()}`,
          turns,
        );
    }),
  );
}

function namesIn(directory: HeldDirectory): Buffer[] {
  return readdirSync(directory.path, { encoding: 'buffer' });
}

function directoryInTheWay(shown: string): TransientError {
  return new TransientError({
    reason: 'host',
    message: `${shown} is a directory on the host and cannot be replaced by a file`,
    hint: 'remove it, or choose another destination on the host',
  });
}

/** Runs an operation while a directory has all permissions for its owner, and restores the mode afterwards. */
async function whileOpen(directory: HeldDirectory, work: () => Promise<void>): Promise<void> {
  const mode = statSync(directory.path).mode & 0o7777;
  const isOpened = (mode & OPEN) !== OPEN && opened(directory, mode);
  try {
    await work();
  } finally {
    if (isOpened) chmodSync(directory.path, mode);
  }
}

/**
 * Returns whether the mode could be changed; for a directory of another user the operation itself reports the error.
 */
function opened(directory: HeldDirectory, mode: number): boolean {
  try {
    chmodSync(directory.path, mode | OPEN);
    return true;
  } catch {
    return false;
  }
}

function unless(code: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (errorCode(error) !== code) throw error;
  }
}

/**
 * Hard-links the files of a tree into an identical tree of directories at another place, without its symbolic links, so
 * that a program that follows links cannot leave it. Entries that cannot be read or linked are skipped.
 */
export async function mirrorFiles(from: Place, to: Place, turns: Turns): Promise<void> {
  await turns.take();
  if (!isDirectory(from)) {
    linkFile(from, to);
    return;
  }
  using source = from.directory.find(from.name);
  if (source === undefined) return;
  unless('EEXIST', () => mkdirSync(pathOf(to), { mode: OPEN }));
  using target = to.directory.below(to.name);
  for (const name of readableNamesIn(source))
    await mirrorFiles({ directory: source, name }, { directory: target, name }, turns);
}

/** The mirror itself may be among them, in the staging directory. */
function readableNamesIn(directory: HeldDirectory): Buffer[] {
  try {
    return namesIn(directory).filter((name) => !isStagingName(name.toString('latin1')));
  } catch {
    return [];
  }
}

function linkFile(from: Place, to: Place): void {
  try {
    linkSync(pathOf(from), pathOf(to));
    // a symbolic link, or something that was put there a moment ago
    if (!lstatSync(pathOf(to)).isFile()) unlinkSync(pathOf(to));
  } catch {
    // not linked, so it is sent in full
  }
}
