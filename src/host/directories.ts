import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../problem.ts';

/**
 * Creates a directory and its missing parents; an existing one is fine. Node's recursive mkdir never returns where the
 * kernel refuses a directory with ENOENT, as below /proc.
 */
export async function makeDirectory(path: string): Promise<void> {
  if (await created(path)) return;
  await makeDirectory(dirname(path));
  await mkdir(path).catch(ignoreExisting);
}

/** Creates one directory; returns false if its parent is missing. */
async function created(path: string): Promise<boolean> {
  try {
    await mkdir(path).catch(ignoreExisting);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' && dirname(path) !== path) return false;
    throw error;
  }
}

function ignoreExisting(error: unknown): void {
  if (errorCode(error) !== 'EEXIST') throw error;
}
