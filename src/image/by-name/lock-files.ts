import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { LockedImage } from '../../config/image-lock.ts';
import { readLockFile } from '../../config/image-lock.ts';
import { writeDurably } from '../../host/durable.ts';
import { exists } from '../../host/exists.ts';
import { CATALOG_DIRECTORY, lockFileIn } from './lookup.ts';

/** Records the lock file of a project that uses a backend, so that its builds are not pruned. */
export async function recordLockFile(backend: string, lockFile: string): Promise<void> {
  if (lockFile === lockFileIn(backend)) return;
  const path = join(directoryIn(backend), createHash('sha256').update(lockFile).digest('hex').slice(0, 16));
  if (await exists(path)) return;
  await mkdir(dirname(path), { recursive: true });
  await writeDurably(path, lockFile);
}

/** Builds pinned by the recorded lock files; records of files that are gone are removed. */
export async function buildsInLockFiles(backend: string): Promise<LockedImage[]> {
  const directory = directoryIn(backend);
  const names = await readdir(directory).catch(() => []);
  const locked = await Promise.all(
    names.map(async (name) => {
      const path = join(directory, name);
      const lockFile = await readFile(path, 'utf8').catch(() => '');
      if (!(await exists(lockFile))) await rm(path, { force: true });
      const read = readLockFile(lockFile);
      return read.ok ? read.value : [];
    }),
  );
  return locked.flat();
}

function directoryIn(backend: string): string {
  return join(backend, CATALOG_DIRECTORY, 'projects');
}
