import { Space } from '../host/space.ts';

/** Free space that is left on a filesystem, as a fraction and in bytes; the smaller one applies. */
const RESERVE = { part: 0.05, most: 1e9 };

/** Space accounting for files from a guest, in the filesystem of a directory on the host. */
export async function copySpace(directory: string): Promise<Space> {
  return Space.in(directory, {
    reason: 'host',
    what: 'the data from the guest',
    hint: 'free some space there (5 %, at most 1 GB, is kept in reserve), or copy to another directory on the host',
    reserve: (size) => Math.min(RESERVE.part * size, RESERVE.most),
  });
}
