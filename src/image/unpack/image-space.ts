import { Space } from '../../host/space.ts';

/** So much of a disk is left free, in parts and in bytes; the smaller one counts. */
const RESERVE = { part: 0.05, most: 1e9 };

/** The space for an image that is made in a directory. */
export async function imageSpace(directory: string): Promise<Space> {
  return Space.in(directory, {
    reason: 'image',
    what: 'the image',
    hint: 'free some space, of which 5 %, 1 GB at most, is not touched, or choose another place with --image-backend; if it should be small, do not trust it',
    reserve: (size) => Math.min(RESERVE.part * size, RESERVE.most),
  });
}
