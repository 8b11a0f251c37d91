import { Space } from '../../host/space.ts';

/** Free space that is left on a filesystem, as a fraction and in bytes; the smaller one applies. */
const RESERVE = { part: 0.05, most: 1e9 };

/** Space accounting for an image that is created in a directory. */
export async function imageSpace(directory: string): Promise<Space> {
  return Space.in(directory, {
    reason: 'image',
    what: 'the image',
    hint: 'free some space (5 %, at most 1 GB, is kept in reserve), or choose another directory with --image-backend; if the image should be small, do not trust it',
    reserve: (size) => Math.min(RESERVE.part * size, RESERVE.most),
  });
}
