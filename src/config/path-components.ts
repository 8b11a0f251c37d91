import type { BigIntStats } from 'node:fs';
import { lstatSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Most symbolic links followed in one path (Linux, `MAXSYMLINKS`). */
const MOST_LINKS = 40;

/** One name looked up while a path is resolved: a directory, a link, or the final file. */
export interface PathComponent {
  /** Path of the component, free of symbolic links but for its last name. */
  readonly path: string;
  /** Identity of the file it names ({@link identityOf}); undefined if it does not exist. */
  readonly file: string | undefined;
  /** Identity of the directory it is looked up in. */
  readonly directory: string;
}

/** Components an absolute path currently resolves through, links included, up to the first name that does not exist. */
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

/** Device and inode number, which identify a host file independently of its name. */
export function identityOf({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`;
}

/** Whether a path is the directory or lies below it. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith('/') ? directory : `${directory}/`);
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

interface Found {
  readonly identity: string;
  /** Target of a symbolic link. */
  readonly link?: string;
}

function lookedUp(path: string): Found | undefined {
  try {
    const stats = lstatSync(path, { bigint: true });
    const identity = identityOf(stats);
    return stats.isSymbolicLink() ? { identity, link: readlinkSync(path) } : { identity };
  } catch {
    // a file that we cannot access counts as missing: we cannot run it either
    return undefined;
  }
}
