import { stat } from 'node:fs/promises';

/** Whether a path exists and is accessible. */
export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
