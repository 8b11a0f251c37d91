import { mkdirSync } from 'node:fs';
import { basename, dirname, join, posix, resolve } from 'node:path';
import { makeDirectory } from '../host/directories.ts';
import { HeldDirectory } from '../host/held-directory.ts';
import type { Staging } from '../host/staging.ts';
import { openStaging } from '../host/staging.ts';
import { TransientError, errorCode, isSystemError, systemMessage } from '../problem.ts';
import { countOutwardLinks } from './outward-links.ts';
import type { Place } from './place.ts';
import { isAnything, mirrorFiles, moveTree } from './place.ts';
import { sanitizeTree } from './sanitizer.ts';
import { Turns } from './turns.ts';

/** Destination on the host of a copy from a guest, and a private staging directory beside it. */
export interface StagedCopy {
  /** Final path. */
  readonly target: string;
  /** The directory that will contain it, which also holds the staging directory. */
  readonly directory: string;
  /** Path where the copy is received, under its name in the guest. */
  readonly stage: string;
  /**
   * Creates a private directory with the existing files of the target, under the name in the guest and without links.
   */
  readonly mirror: (signal: AbortSignal) => Promise<string>;
  /**
   * Moves the received files into place with the semantics of `cp -a`: directories are merged, anything else is
   * replaced, and no link on the path is followed. Returns how many of the links point outside the copy.
   */
  readonly commit: (signal: AbortSignal) => Promise<number>;
  /** Removes received files that were not committed. */
  readonly remove: () => Promise<void>;
}

/** File name at a guest path; empty for a path without one, such as `/` and `/srv/.`. */
export function nameIn(guestPath: string): string {
  const name = posix.basename(guestPath);
  return name === '.' ? '' : name;
}

/**
 * Prepares the destination for a guest's file: inside a destination that is a directory or ends in a slash, under its
 * own name, otherwise the destination itself. A link at the destination is followed if a slash says that a directory is
 * meant, and replaced otherwise: it may have come from a guest. Parent directories are created. `runDirectory` is the
 * private directory of this process.
 */
export async function openStagedCopy(
  destination: string,
  guestPath: string,
  runDirectory: string,
): Promise<StagedCopy> {
  const name = nameIn(guestPath);
  try {
    const target = await openTarget(destination, name);
    return await stagedCopyAt(destination, guestPath, target, runDirectory).catch((error: unknown) => {
      target.place.directory.close();
      throw error;
    });
  } catch (cause) {
    throw unwritable(destination, cause);
  }
}

/** A place on the host, and its path for messages. */
interface Target {
  readonly place: Place;
  readonly path: string;
  /** Path of the open directory, for messages. */
  readonly directory: string;
}

async function openTarget(destination: string, name: string): Promise<Target> {
  const inside = (directory: HeldDirectory): Target => ({
    // without a name, it is the directory itself
    place: { directory, name: Buffer.from(name || '.') },
    path: join(destination, name),
    directory: resolve(destination),
  });
  if (destination.endsWith('/')) {
    await makeDirectory(destination);
    return inside(HeldDirectory.at(destination));
  }
  const above = dirname(destination);
  await makeDirectory(above);
  const directory = HeldDirectory.at(above);
  const place = { directory, name: Buffer.from(basename(destination)) };
  const existing = name === '' ? undefined : directory.find(place.name);
  if (existing === undefined) return { place, path: destination, directory: above };
  directory.close();
  return inside(existing);
}

async function stagedCopyAt(
  destination: string,
  guestPath: string,
  { place, path: target, directory }: Target,
  runDirectory: string,
): Promise<StagedCopy> {
  const staging = await openStaging(directory, runDirectory);
  const stage = await Stage.open(staging, place.directory, nameIn(guestPath));
  return {
    target,
    directory,
    stage: stage.receivingPath,
    mirror: async (signal) => {
      await mirrorFiles(place, stage.mirrored, new Turns(signal));
      return stage.mirrorPath;
    },
    commit: (signal) =>
      moveIntoPlace(stage, guestPath, { place, path: target }, signal).catch((cause: unknown) => {
        throw unwritable(destination, cause);
      }),
    remove: async () => {
      stage.close();
      place.directory.close();
      await staging.remove();
    },
  };
}

async function moveIntoPlace(
  { received }: Stage,
  guestPath: string,
  { place, path }: Pick<Target, 'place' | 'path'>,
  signal: AbortSignal,
): Promise<number> {
  if (!isAnything(received)) throw nothingCame(guestPath);
  const turns = new Turns(signal);
  const links = await sanitizeTree(received, turns);
  await moveTree(received, place, path, turns);
  return countOutwardLinks(links);
}

/** The private directory beside a target: it protects its content whatever permissions the guest's files have. */
class Stage {
  readonly receivingPath: string;
  readonly mirrorPath: string;
  readonly received: Place;
  readonly mirrored: Place;
  readonly #held: readonly HeldDirectory[];

  static async open(staging: Staging, beside: HeldDirectory, name: string): Promise<Stage> {
    try {
      return new Stage(staging, beside, name);
    } catch (error) {
      await staging.remove();
      throw error;
    }
  }

  private constructor({ path }: Staging, beside: HeldDirectory, name: string) {
    const root = beside.below(Buffer.from(basename(path)));
    const [receiving, mirror] = ['received', 'mirror'].map((part) => {
      mkdirSync(join(path, part), { mode: 0o700 });
      return root.below(Buffer.from(part));
    }) as [HeldDirectory, HeldDirectory];
    this.#held = [root, receiving, mirror];
    this.receivingPath = join(path, 'received');
    this.mirrorPath = join(path, 'mirror');
    this.received =
      name === ''
        ? { directory: root, name: Buffer.from('received') }
        : { directory: receiving, name: Buffer.from(name) };
    this.mirrored = { directory: mirror, name: Buffer.from(name || '.') };
  }

  close(): void {
    for (const directory of this.#held) directory.close();
  }
}

function nothingCame(guestPath: string): TransientError {
  return new TransientError({
    reason: 'guest',
    message: `the guest did not send ${posix.basename(guestPath)}`,
    hint: 'it existed a moment before: copy it again once nothing in the guest removes it',
  });
}

function unwritable(destination: string, cause: unknown): unknown {
  if (!isSystemError(cause)) return cause;
  const why = errorCode(cause) === 'EXDEV' ? 'a part of it is on another filesystem' : systemMessage(cause);
  const message = `cannot write to ${destination} on the host: ${why}`;
  return new TransientError({ reason: 'host', message }, { cause });
}
