import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode, problemOf, systemMessage } from '../problem.ts';
import type { Seen } from './finding.ts';

/** Checks whether a directory is writable or can be created, and has enough free space; writes nothing. */
export async function place(path: string, enough: number): Promise<Seen> {
  try {
    const existing = await nearest(path);
    await access(existing, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(existing);
    const free = bavail * bsize;
    return { state: free < enough ? 'warning' : 'ok', found: path, free };
  } catch (error) {
    return { state: 'missing', found: `${path} cannot be written: ${systemMessage(error)}` };
  }
}

/** Checks a directory that `find` may reject. */
export async function placeOf(find: () => Promise<string> | string, enough: number): Promise<Seen> {
  try {
    return await place(await find(), enough);
  } catch (error) {
    return { state: 'missing', found: problemOf(error).message };
  }
}

/** Returns the directory itself, or its nearest existing parent. */
async function nearest(path: string): Promise<string> {
  try {
    if ((await stat(path)).isDirectory()) return path;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
    return nearest(dirname(path));
  }
  throw Object.assign(new Error(), { code: 'ENOTDIR' });
}
