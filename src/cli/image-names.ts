import { existsSync, readdirSync } from 'node:fs';
import { partsOfKeptName } from '../config/cloud-image.ts';
import type { ImageLookup } from '../config/image-lookup.ts';
import { impliedSource } from '../config/image-lookup.ts';
import { encodeName, imagePath } from '../host/store-layout.ts';
import type { LookupOptions } from '../image/by-name/lookup.ts';
import type { ImageRef } from '../options/values/image-spec.ts';
import { withImpliedSource } from '../options/values/image-spec.ts';
import type { CommandSwitch, Invocation } from './command.ts';

/** Switch that accepts images of which no checksum is published. */
export const UNVERIFIED_SWITCH: CommandSwitch = {
  flags: '--allow-unverified',
  help: 'use an image of the catalogue even if its vendor publishes no checksum',
};

/** Lookup of the images of a command line; the catalogue is loaded only if one of them may come from it. */
export async function lookupFor(
  images: readonly ImageRef[],
  backend: string,
  { environment, switches }: Pick<Invocation, 'environment' | 'switches'>,
  lockFile?: string,
): Promise<ImageLookup> {
  if (!images.some((image) => mayBeOfCatalog(image, backend))) return impliedSource;
  const { catalogLookup } = await import('../image/by-name/lookup.ts');
  const options: LookupOptions = {
    environment,
    lockFile,
    allowUnverified: switches['allow-unverified'] === true,
  };
  return catalogLookup(options);
}

function mayBeOfCatalog(image: ImageRef, backend: string): boolean {
  const { name, source } = withImpliedSource(image);
  if (source !== undefined) return source.protocol === 'cloud';
  if (partsOfKeptName(name) !== undefined) return true;
  if (existsSync(imagePath(backend, name))) return false;
  return name.includes(':') || holdsBuildOf(name, backend);
}

/** Whether a backend holds a build of an image that has a name of the user's own. */
function holdsBuildOf(name: string, backend: string): boolean {
  const beginning = encodeName(`${name}@`);
  try {
    return readdirSync(backend).some((file) => file.startsWith(beginning));
  } catch {
    return false;
  }
}
