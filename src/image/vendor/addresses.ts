import type { CatalogImage } from '../../catalog/catalog-image.ts';
import { filled, wordsOfBuild } from '../../catalog/template.ts';

/** Addresses of one build of an image. */
export interface BuildAddresses {
  readonly image: string;
  readonly checksums: string | undefined;
}

/** Whether the address of an image contains its build; otherwise its content changes. */
export function isDated({ resolver }: CatalogImage): boolean {
  return resolver.image.includes('{build');
}

/** The addresses of a build, by the templates of the catalogue; `url` is that of the image if the vendor names it. */
export function addressesOf({ resolver }: CatalogImage, build: string, url?: string): BuildAddresses {
  const ofBuild = wordsOfBuild(build);
  const image = url ?? filled(resolver.image, ofBuild);
  const words = { ...ofBuild, image, directory: directoryOf(image) };
  return {
    image,
    checksums: resolver.checksums === undefined ? undefined : filled(resolver.checksums, words),
  };
}

/** Address of the detached signature of a checksum file; undefined if there is none, or it is inside the file. */
export function signatureOf({ resolver }: CatalogImage, checksums: string): string | undefined {
  const { signature } = resolver;
  if (signature === undefined || signature === 'inside') return undefined;
  return filled(signature, { checksums, directory: directoryOf(checksums) });
}

/** The template of an image's name. */
export function nameTemplate({ resolver }: CatalogImage): string {
  return lastComponent(resolver.image);
}

export function lastComponent(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1);
}

function directoryOf(url: string): string {
  return url.slice(0, url.lastIndexOf('/') + 1);
}
