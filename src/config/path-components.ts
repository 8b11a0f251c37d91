import type { BigIntStats } from 'node:fs';
import { lstatSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** More links than these are not followed (Linux, `MAXSYMLINKS`). */
const MOST_LINKS = 40;

/** A name that is looked up where a path is followed: a directory, a link, or what it leads to in the end. */
export interface PathComponent {
  /** Its own path, in which no directory is a link. */
  readonly path: string;
  /** The file that it names, by {@link identityOf}; undefined where there is none. */
  readonly file: string | undefined;
  /** The directory that it is looked up in, likewise. */
  readonly directory: string;
}

/** What an absolute path leads over as the disk is now, links included, up to the first name that is not there. */
export function pathComponents(path: string): PathComponent[] {
  const way: PathComponent[] = [];
  const names = namesOf(path);
  let here = '/';
  for (let links = 0, name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === '..') {
      here = dirname(here);
      continue;
    }
    const directory = lookedUp(here);
    const next = join(here, name);
    const found = lookedUp(next);
    if (directory === undefined) break;
    way.push({ path: next, file: found?.identity, directory: directory.identity });
    if (found === undefined) break;
    if (found.link === undefined) here = next;
    else if (++links > MOST_LINKS) break;
    else {
      names.unshift(...namesOf(found.link));
      if (found.link.startsWith('/')) here = '/';
    }
  }
  return way;
}

/** What tells one file of the host from all others, whatever it is called. */
export function identityOf({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`;
}

/** A path that is the directory, or in it. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith('/') ? directory : `${directory}/`);
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

interface Found {
  readonly identity: string;
  /** The text of a link. */
  readonly link?: string;
}

function lookedUp(path: string): Found | undefined {
  try {
    const stats = lstatSync(path, { bigint: true });
    const identity = identityOf(stats);
    return stats.isSymbolicLink() ? { identity, link: readlinkSync(path) } : { identity };
  } catch {
    // what we may not look at is as good as missing: nothing of ours can run it
    return undefined;
  }
}
