import { buildIn } from '../../catalog/template.ts';
import { addressesOf, nameTemplate } from './addresses.ts';
import { namesInListing } from './listing.ts';
import type { FindBuilds } from './vendor-build.ts';

/** A directory whose listing names the builds. */
export const findInListing: FindBuilds<'listing-newest'> = async (image, client) => {
  const { index, entry = nameTemplate(image) } = image.resolver;
  const names = namesInListing(await client.text(index, 'listing'));
  return names.flatMap((name) => {
    const build = buildIn(name, entry);
    return build === undefined ? [] : [{ build, url: addressesOf(image, build).image }];
  });
};
