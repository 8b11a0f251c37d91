import { splitRequest } from '../../config/cloud-image.ts';
import { readLockFile } from '../../config/image-lock.ts';
import type { Result } from '../../problem.ts';
import { ok } from '../../problem.ts';
import { lockFileIn } from './lookup.ts';
import { keptBuilds } from './kept-builds.ts';

/** Names of the images of the catalogue that a backend pins or holds, without those that name their build. */
export function pinnedNames(backend: string): Result<string[]> {
  const locked = readLockFile(lockFileIn(backend));
  if (!locked.ok) return locked;
  const names = [
    ...locked.value.map(({ name }) => name).filter((name) => splitRequest(name).build === undefined),
    ...keptBuilds(backend).map(({ catalogName }) => catalogName),
  ];
  return ok([...new Set(names)].toSorted());
}
