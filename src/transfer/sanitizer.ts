import type { Stats } from 'node:fs';
import { chmodSync, lstatSync, readdirSync, readlinkSync, unlinkSync } from 'node:fs';
import type { Place } from './place.ts';
import { OPEN } from './place.ts';
import type { Turns } from './turns.ts';

/** Permission bits removed from files of a guest: write access for others, setuid and setgid. */
const REFUSED = 0o6022;

/** Targets of the links of a tree, by their paths in it; both are bytes, each as one latin1 character. */
export type TreeLinks = ReadonlyMap<string, string>;

interface Walk {
  readonly turns: Turns;
  readonly links: Map<string, string>;
}

/**
 * Makes files of a guest harmless: removes write access for others and setuid bits, and everything but files,
 * directories and links, since a program that opens a FIFO blocks forever. Returns the links of the tree.
 */
export async function sanitizeTree(place: Place, turns: Turns): Promise<TreeLinks> {
  const walk: Walk = { turns, links: new Map() };
  await sanitizeEntry(place, '', walk);
  return walk.links;
}

async function sanitizeEntry(place: Place, relativePath: string, walk: Walk): Promise<void> {
  await walk.turns.take();
  const path = place.directory.entry(place.name);
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (found.isDirectory()) await sanitizeDirectory(place, relativePath, found, walk);
  else if (found.isSymbolicLink()) walk.links.set(relativePath, readlinkSync(path, 'latin1'));
  else if (!found.isFile()) unlinkSync(path);
  else if ((found.mode & REFUSED) !== 0) chmodSync(path, harmlessMode(found));
}

async function sanitizeDirectory(
  place: Place,
  relativePath: string,
  found: Stats,
  walk: Walk,
): Promise<void> {
  using directory = place.directory.below(place.name);
  const mode = harmlessMode(found);
  if ((mode & OPEN) !== OPEN) chmodSync(directory.path, mode | OPEN);
  for (const name of readdirSync(directory.path, { encoding: 'buffer' })) {
    const inner = name.toString('latin1');
    await sanitizeEntry({ directory, name }, relativePath === '' ? inner : `${relativePath}/${inner}`, walk);
  }
  if ((mode & OPEN) !== OPEN || mode !== (found.mode & 0o7777)) chmodSync(directory.path, mode);
}

function harmlessMode({ mode }: Stats): number {
  return mode & 0o7777 & ~REFUSED;
}
