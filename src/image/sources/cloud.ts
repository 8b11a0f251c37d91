import { Mirrors } from '../../catalog/mirrors.ts';
import { valueOrThrow } from '../../problem.ts';
import { catalogImage } from '../vendor/catalog-image.ts';
import type { Locate } from './location.ts';

/** Finds the pinned build of an image of the catalogue, through the user's mirror if there is one. */
export const locatePinned: Locate = (_name, _times, { note }, { cloud }) => {
  if (cloud?.pin === undefined) throw new Error('the build of the image is not pinned');
  const { url, digest } = cloud.pin;
  const location = valueOrThrow(Mirrors.open(process.env, catalogImage(cloud))).mirrored(url);
  note(`Downloading image from '${location}'`);
  const [algorithm = '', sum = ''] = digest?.split(':') ?? [];
  const expected = digest === undefined ? [] : [{ algorithm, digest: sum }];
  return Promise.resolve({ location, expected });
};
