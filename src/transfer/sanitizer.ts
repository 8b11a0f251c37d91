import type { Stats } from 'node:fs';
import { chmodSync, lstatSync, readdirSync, readlinkSync, unlinkSync } from 'node:fs';
import type { Place } from './place.ts';
import type { Turns } from './turns.ts';

/** Rights that nothing from a guest has on the host: to change it for others than its owner, and to act as its owner. */
const REFUSED = 0o6022;

/** What its owner needs of a directory to look into it and take something out. */
const OPEN = 0o700;

/** Where the links of a tree lead to, by their paths in it; all of them bytes, each as one character (latin1). */
export type TreeLinks = ReadonlyMap<string, string>;

interface Walk {
  readonly turns: Turns;
  readonly links: Map<string, string>;
}

/**
 * Makes what a guest sent harmless: nobody else may write to it, nothing lends its owner's rights, and nothing but files,
 * directories and links is left, for a program that opens a FIFO waits for ever. Returns the links that there are.
 */
export async function sanitizeTree(place: Place, turns: Turns): Promise<TreeLinks> {
  const walk: Walk = { turns, links: new Map() };
  await tameEntry(place, '', walk);
  return walk.links;
}

async function tameEntry(place: Place, way: string, walk: Walk): Promise<void> {
  await walk.turns.take();
  const path = place.directory.entry(place.name);
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (found.isDirectory()) await tameDirectory(place, way, found, walk);
  else if (found.isSymbolicLink()) walk.links.set(way, readlinkSync(path, 'latin1'));
  else if (!found.isFile()) unlinkSync(path);
  else if ((found.mode & REFUSED) !== 0) chmodSync(path, tamed(found));
}

async function tameDirectory(place: Place, way: string, found: Stats, walk: Walk): Promise<void> {
  using directory = place.directory.below(place.name);
  const mode = tamed(found);
  if ((mode & OPEN) !== OPEN) chmodSync(directory.path, mode | OPEN);
  for (const name of readdirSync(directory.path, { encoding: 'buffer' })) {
    const inner = name.toString('latin1');
    await tameEntry({ directory, name }, way === '' ? inner : `${way}/${inner}`, walk);
  }
  if ((mode & OPEN) !== OPEN || mode !== (found.mode & 0o7777)) chmodSync(directory.path, mode);
}

function tamed({ mode }: Stats): number {
  return mode & 0o7777 & ~REFUSED;
}
