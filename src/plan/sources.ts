import { resolve } from 'node:path';
import { allFolders } from '../config/shares.ts';
import type { CopyIn, Plan } from './step.ts';

/**
 * The copies into guests whose sources have to be on the host when a plan begins: all but those that lie where the plan
 * itself brings something from a guest, by a copy out or a shared folder.
 */
export function copiesFromHost({ steps }: Plan): CopyIn[] {
  const brought = steps.flatMap((step): string[] => {
    if (step.kind === 'copy.out') return [resolve(step.host)];
    if (step.kind !== 'share.serve') return [];
    return allFolders(step.shares).flatMap(({ host, readonly }) => (readonly ? [] : [resolve(host)]));
  });
  const isBrought = (host: string): boolean =>
    brought.some((place) => host === place || host.startsWith(place === '/' ? place : `${place}/`));
  return steps.filter((step): step is CopyIn => step.kind === 'copy.in' && !isBrought(resolve(step.host)));
}
