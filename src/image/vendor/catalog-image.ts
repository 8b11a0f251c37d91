import type { Architecture, CatalogImage } from '../../catalog/catalog.ts';
import { Catalog } from '../../catalog/catalog.ts';
import type { CloudImage } from '../../config/cloud-image.ts';
import { valueOrThrow } from '../../problem.ts';

/** The image of the catalogue that a plan names; throws if the catalogue has changed since. */
export function catalogImage({
  name,
  architecture,
}: Pick<CloudImage, 'name' | 'architecture'>): CatalogImage {
  return valueOrThrow(Catalog.open(process.env).find(name, architecture as Architecture));
}
