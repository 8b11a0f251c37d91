import { chmod, link, lstat, mkdir, readdir, rename, stat, unlink } from 'node:fs/promises';
import type { HeldDirectory } from '../host/held-directory.ts';
import { isStagingName } from '../host/staging.ts';
import { TransientError, errorCode } from '../problem.ts';

/** A name in a directory that is held, whatever lies there; no link leads from it to anywhere else. */
export interface Place {
  readonly directory: HeldDirectory;
  readonly name: Buffer;
}

/** What its owner needs of a directory to move what is in it. */
const OPEN = 0o700;

export async function isAnything({ directory, name }: Place): Promise<boolean> {
  return lstat(directory.entry(name)).then(
    () => true,
    () => false,
  );
}

/** Moves something as `cp -a` would copy it: directories are joined, anything else is replaced. `shown` is the new place. */
export async function moveTree(from: Place, to: Place, shown: string): Promise<void> {
  const source = from.directory.find(from.name);
  if (source === undefined) return replaceFile(from, to, shown);
  using directory = source;
  using existing = to.directory.find(to.name);
  if (existing === undefined) await moveDirectory(from, directory, to);
  else await joinDirectories(directory, existing, shown);
}

async function replaceFile(from: Place, to: Place, shown: string): Promise<void> {
  await rename(from.directory.entry(from.name), to.directory.entry(to.name)).catch((error: unknown) => {
    throw errorCode(error) === 'EISDIR' ? isDirectory(shown) : error;
  });
}

async function moveDirectory(from: Place, directory: HeldDirectory, to: Place): Promise<void> {
  const place = to.directory.entry(to.name);
  await unlink(place).catch(unless('ENOENT'));
  // its own `..` changes, for which it must be writable
  await whileOpen(directory, () => rename(from.directory.entry(from.name), place));
}

async function joinDirectories(from: HeldDirectory, to: HeldDirectory, shown: string): Promise<void> {
  await whileOpen(from, () =>
    whileOpen(to, async () => {
      for (const name of await readdir(from.path, { encoding: 'buffer' }))
        await moveTree({ directory: from, name }, { directory: to, name }, `${shown}/${name.toString()}`);
    }),
  );
}

function isDirectory(shown: string): TransientError {
  return new TransientError({
    reason: 'host',
    message: `${shown} is a directory on the host, and a file is to be put there`,
    hint: 'remove it, or name another place on the host',
  });
}

function unless(code: string): (error: unknown) => void {
  return (error) => {
    if (errorCode(error) !== code) throw error;
  };
}

/** Does some work while a directory has all rights of its owner; it has those of before when the work is over. */
async function whileOpen(directory: HeldDirectory, work: () => Promise<void>): Promise<void> {
  const mode = (await stat(directory.path)).mode & 0o7777;
  // that it is not ours, is for the work to find out
  const isOpened =
    (mode & OPEN) !== OPEN &&
    (await chmod(directory.path, mode | OPEN).then(
      () => true,
      () => false,
    ));
  try {
    await work();
  } finally {
    if (isOpened) await chmod(directory.path, mode);
  }
}

/**
 * Gives the files of a tree a second name below another place, in directories like theirs: without its links, so that
 * there is no way out for a program that follows them. What cannot be read or linked is left out.
 */
export async function mirrorFiles(from: Place, to: Place, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  using source = from.directory.find(from.name);
  const mirrored = to.directory.entry(to.name);
  if (source === undefined) {
    await linkFile(from, mirrored);
    return;
  }
  await mkdir(mirrored, { mode: OPEN }).catch(unless('EEXIST'));
  using target = to.directory.below(to.name);
  const names = await readdir(source.path, { encoding: 'buffer' }).catch(() => []);
  // the mirror itself may lie in there
  for (const name of names.filter((one) => !isStagingName(one.toString('latin1'))))
    await mirrorFiles({ directory: source, name }, { directory: target, name }, signal);
}

async function linkFile({ directory, name }: Place, to: Buffer): Promise<void> {
  const file = directory.entry(name);
  const isFile = async (path: Buffer): Promise<boolean> => (await lstat(path)).isFile();
  try {
    if (!(await isFile(file))) return;
    await link(file, to);
    // it may have been replaced in between
    if (!(await isFile(to))) await unlink(to);
  } catch {
    // not linked, so that it is sent as a whole
  }
}
