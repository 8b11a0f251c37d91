import { Space } from '../host/space.ts';

/** So much of a disk is left free, in parts and in bytes; the smaller one counts. */
const RESERVE = { part: 0.05, most: 1e9 };

/** The space for what a guest sends, in the filesystem of a directory on the host. */
export async function copySpace(directory: string): Promise<Space> {
  return Space.in(directory, {
    reason: 'host',
    what: 'what the guest sends',
    hint: 'free some space there, of which 5 %, 1 GB at most, is not touched; or name another place on the host',
    reserve: (size) => Math.min(RESERVE.part * size, RESERVE.most),
  });
}
