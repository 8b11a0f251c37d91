import { TransientError } from '../problem.ts';
import { inspectImage } from './qemu-img.ts';
import { listImages } from './store.ts';

/** A row of `image ls`; sizes in bytes, `added` as ISO time. */
export interface ImageRow {
  readonly name: string;
  readonly virtualSize: number;
  readonly realSize: number;
  readonly added: string;
}

/** Lists the images of a backend by name; files that are not readable images are skipped. */
export async function imageRows(backend: string): Promise<ImageRow[]> {
  const images = await listImages(backend);
  const rows = await Promise.all(
    images.map(async ({ name, path, added }) => {
      const info = await inspectImage(path, 'qcow2').catch(unlessUnreadable);
      return info && { name, ...info, added: added.toISOString() };
    }),
  );
  return rows.filter((row) => row !== undefined);
}

function unlessUnreadable(error: unknown): undefined {
  if (error instanceof TransientError && error.problem.reason === 'program-failed') return undefined;
  throw error;
}
