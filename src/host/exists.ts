import { stat } from 'node:fs/promises';

/** Whether there is anything at a path that we may see. */
export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
