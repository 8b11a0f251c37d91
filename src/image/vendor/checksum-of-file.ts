import { addressesOf, lastComponent } from './addresses.ts';
import { fetchChecksums, sumIn } from './verified-sums.ts';
import type { FindBuilds } from './vendor-build.ts';

/** Digits of a checksum that stand for a build. */
const DIGITS = 12;

/** Stands for the build of a file that has neither a date nor a checksum. */
const UNKNOWN = 'unverified';

/** A file that is replaced by each new build: its checksum tells which one it is. */
export const findByChecksum: FindBuilds<'checksum-of-file'> = async (image, client) => {
  const { image: url, checksums: address } = addressesOf(image, UNKNOWN);
  const checksums = address === undefined ? undefined : await fetchChecksums(image, address, client);
  const sum = checksums && sumIn(checksums, lastComponent(url));
  if (checksums === undefined || sum === undefined) return [{ build: UNKNOWN, url }];
  return [{ build: sum.digest.slice(0, DIGITS), url, sum, isSigned: checksums.isSigned }];
};
