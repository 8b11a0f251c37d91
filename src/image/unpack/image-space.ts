import { Space } from '../../host/space.ts';

/** The space for an image that is made in a directory. */
export async function imageSpace(directory: string): Promise<Space> {
  return Space.in(directory, {
    reason: 'image',
    what: 'the image',
    hint: 'free some space or choose another place with --image-backend; if it should be small, do not trust it',
  });
}
