import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../problem.ts';

/**
 * Makes a directory and those above it that are missing; one that exists is fine. Node's own recursive form never
 * returns where the kernel refuses a directory with ENOENT, as below /proc.
 */
export async function makeDirectory(path: string): Promise<void> {
  if (await created(path)) return;
  await makeDirectory(dirname(path));
  await mkdir(path).catch(ignoreExisting);
}

/** Whether the directory is there now; false where the one above it is missing. */
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
