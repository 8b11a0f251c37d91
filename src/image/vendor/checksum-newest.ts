import { buildIn } from '../../catalog/template.ts';
import { addressesOf, nameTemplate } from './addresses.ts';
import { fetchChecksums, sumIn } from './verified-sums.ts';
import { noBuild } from './faults.ts';
import type { FindBuilds } from './vendor-build.ts';

/** A checksum file that names the builds themselves, or at least the newest one. */
export const findInChecksums: FindBuilds<'checksum-newest'> = async (image, client) => {
  const { index } = image.resolver;
  const checksums = await fetchChecksums(image, index, client);
  if (checksums === undefined) throw noBuild(image, client.shown(index));
  return checksums.file.names.flatMap((name) => {
    const build = buildIn(name, nameTemplate(image));
    const sum = sumIn(checksums, name);
    if (build === undefined || sum === undefined) return [];
    return [{ build, url: addressesOf(image, build).image, sum, isSigned: checksums.isSigned }];
  });
};
