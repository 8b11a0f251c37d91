import { stat } from 'node:fs/promises';
import { splitRequest } from '../../config/cloud-image.ts';
import { imagePath } from '../../host/store-layout.ts';
import type { KeptBuild } from './kept-builds.ts';
import { keptBuilds } from './kept-builds.ts';
import { buildsInLockFiles } from './lock-files.ts';
import { lastUse } from '../origin.ts';
import { vmsUsing } from '../users.ts';

/** A build that can be removed: its name in the backend, and its size on the disk in bytes. */
export interface PrunableImage {
  readonly name: string;
  readonly size: number;
}

/** Unit of `st_blocks` (stat(2)), in bytes. */
const BLOCK = 512;

/** Builds of the catalogue that no VM and no lock file uses, and that were not used since a time. */
export async function prunableImages(
  backend: string,
  vmstore: string,
  since: Date,
): Promise<PrunableImage[]> {
  const locked = await buildsInLockFiles(backend);
  const isLocked = ({ catalogName, architecture, pin }: KeptBuild): boolean =>
    locked.some(
      (one) =>
        splitRequest(one.name).name === catalogName &&
        one.architecture === architecture &&
        one.build === pin.build,
    );
  const found = await Promise.all(
    keptBuilds(backend)
      .filter((kept) => !isLocked(kept))
      .map(async ({ keptName: name }) => {
        const used = await lastUse(backend, name);
        if (used === undefined || used > since) return [];
        const path = imagePath(backend, name);
        if ((await vmsUsing(path, vmstore)).length > 0) return [];
        const { blocks } = await stat(path);
        return [{ name, size: blocks * BLOCK }];
      }),
  );
  return found.flat().toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
