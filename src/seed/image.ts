import type { SeedFacts } from './cloud-config.ts';
import { nocloudDocuments } from './cloud-config.ts';
import { iso9660 } from './iso9660.ts';

/** Label by which cloud-init finds a seed (cloud-init, NoCloud datasource). */
const LABEL = 'cidata';

/** Builds the image of a NoCloud seed. */
export function seedImage(facts: SeedFacts): Buffer {
  return iso9660(LABEL, nocloudDocuments(facts));
}
