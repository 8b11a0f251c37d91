import type { TreeLinks } from './sanitizer.ts';

/** So many links are followed on one way, as the kernel does. */
const MOST_FOLLOWED = 40;

/** How many of the links of a tree lead out of it, directly or by way of others. */
export function countOutwardLinks(links: TreeLinks): number {
  return [...links.keys()].filter((way) => leadsOut(way, links)).length;
}

/** What stands at the root of a tree, with the name that it has there, is the whole of it. */
function leadsOut(way: string, links: TreeLinks): boolean {
  if (way === '') return true;
  const position = way.split('/');
  // from the end on, the last part of the way is the next one
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
