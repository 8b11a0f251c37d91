import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode, problemOf, systemMessage } from '../problem.ts';
import type { Seen } from './finding.ts';

/** Looks whether a directory can be written, or made, and whether there is room; nothing is written. */
export async function place(path: string, enough: number): Promise<Seen> {
  try {
    const there = await nearest(path);
    await access(there, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(there);
    const free = bavail * bsize;
    return { state: free < enough ? 'warning' : 'ok', found: path, free };
  } catch (error) {
    return { state: 'missing', found: `${path} cannot be written: ${systemMessage(error)}` };
  }
}

/** The same for a directory whose owner knows how to refuse it. */
export async function placeOf(find: () => Promise<string> | string, enough: number): Promise<Seen> {
  try {
    return await place(await find(), enough);
  } catch (error) {
    return { state: 'missing', found: problemOf(error).message };
  }
}

/** The directory itself, or the first above it that is there. */
async function nearest(path: string): Promise<string> {
  try {
    if ((await stat(path)).isDirectory()) return path;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
    return nearest(dirname(path));
  }
  throw Object.assign(new Error(), { code: 'ENOTDIR' });
}
