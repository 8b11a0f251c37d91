import { resolve } from 'node:path';
import { isWithin } from '../config/path-components.ts';
import { allFolders } from '../config/shares.ts';
import type { CopyIn, Plan } from './step.ts';

/**
 * Copies into guests whose sources must exist when a plan starts: all except those at paths to which the plan itself brings
 * files from a guest, with a copy out or a shared folder.
 */
export function copiesFromHost({ steps }: Plan): CopyIn[] {
  const brought = steps.flatMap((step): string[] => {
    if (step.kind === 'copy.out') return [resolve(step.host)];
    if (step.kind !== 'share.serve') return [];
    return allFolders(step.shares).flatMap(({ host, readonly }) => (readonly ? [] : [resolve(host)]));
  });
  const isBrought = (host: string): boolean => brought.some((place) => isWithin(host, place));
  return steps.filter((step): step is CopyIn => step.kind === 'copy.in' && !isBrought(resolve(step.host)));
}
