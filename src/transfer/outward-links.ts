import type { TreeLinks } from './sanitizer.ts';

/** Maximum number of links followed in one path, as in the kernel. */
const MOST_FOLLOWED = 40;

/** Counts the links of a tree that lead outside, directly or through other links. */
export function countOutwardLinks(links: TreeLinks): number {
  return [...links.keys()].filter((path) => leadsOut(path, links)).length;
}

/** A file at the root of the tree, with its name there, is the entire copy. */
function leadsOut(path: string, links: TreeLinks): boolean {
  if (path === '') return true;
  const position = path.split('/');
  // in reverse order: the last element is the next component
  const parts = [position.pop() ?? ''];
  let followed = 0;
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (position.pop() === undefined) return true;
      continue;
    }
    position.push(part);
    const target = links.get(position.join('/'));
    if (target === undefined) continue;
    if (target.startsWith('/')) return true;
    if (++followed > MOST_FOLLOWED) return false;
    position.pop();
    parts.push(...target.split('/').reverse());
  }
  return false;
}
