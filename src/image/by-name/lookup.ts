import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture, CatalogImage } from '../../catalog/catalog.ts';
import { Catalog } from '../../catalog/catalog.ts';
import type { CloudImage, ImagePin } from '../../config/cloud-image.ts';
import { keptName, partsOfKeptName } from '../../config/cloud-image.ts';
import type { LockedImage } from '../../config/image-lock.ts';
import { pinOf, readLockFile } from '../../config/image-lock.ts';
import type { ImageLookup } from '../../config/image-lookup.ts';
import { impliedSource } from '../../config/image-lookup.ts';
import type { WantedImage } from '../../config/vm-spec.ts';
import { hostArchitecture } from '../../host/kvm.ts';
import { imagePath } from '../../host/store-layout.ts';
import type { Problem, Result } from '../../problem.ts';
import { failed, ok } from '../../problem.ts';
import type { KeptBuild } from './kept-builds.ts';
import { keptBuild, keptBuilds } from './kept-builds.ts';

/** Internal directory of a backend with the builds that are pinned outside of projects. */
export const CATALOG_DIRECTORY = '.catalog';

/** Options of lookups in the catalogue. */
export interface LookupOptions {
  readonly environment: NodeJS.ProcessEnv;
  /** Lock file of a project; by default the one of the backend. */
  readonly lockFile?: string | undefined;
  readonly allowUnverified: boolean;
}

/** Lock file of a backend. */
export function lockFileIn(backend: string): string {
  return join(backend, CATALOG_DIRECTORY, 'images.lock');
}

/** Lookup in backends and in the catalogue of the user. */
export function catalogLookup(options: LookupOptions): ImageLookup {
  const catalog = Catalog.open(options.environment);
  return (image, backend) => {
    const { source, name } = image;
    if (source !== undefined && source.protocol !== 'cloud') return ok(image);
    if (source !== undefined) return ofCatalog(source.location, image, backend, ownName(name));
    const found = impliedSource(image, backend);
    if (!found.ok || found.value.source !== undefined) return found;
    const kept = keptBuild(backend, name) ?? newestOf(name, backend);
    if (kept !== undefined) return ofCatalog(buildOf(kept, name), image, backend, kept.name);
    if (existsSync(imagePath(backend, name))) return found;
    return catalog.knows(name) ? ofCatalog(name, image, backend) : notNearly(name, found.value);
  };

  function ofCatalog(
    location: string,
    image: WantedImage,
    backend: string,
    own?: string,
  ): Result<WantedImage> {
    const found = catalog.find(location, architecture());
    if (!found.ok) return found;
    const cloud = cloudImageOf(found.value, backend, options);
    return cloud.ok ? ok({ ...image, ...named(own ?? found.value.name, found.value, cloud.value) }) : cloud;
  }

  function notNearly(name: string, image: WantedImage): Result<WantedImage> {
    const closest = name.includes(':') ? catalog.closest(name) : undefined;
    return closest === undefined ? ok(image) : failed(misspelt(name, closest));
  }
}

/** A name typed with its build means that build; without, the one that is pinned. */
function buildOf({ catalogName, pin, keptName: exact }: KeptBuild, name: string): string {
  return exact === name ? `${catalogName}@${pin.build}` : catalogName;
}

/** Newest build that a backend holds under a user's own name for an image. */
function newestOf(name: string, backend: string): KeptBuild | undefined {
  return keptBuilds(backend).find(
    (one) => one.name === name && one.name !== one.catalogName && one.architecture === architecture(),
  );
}

function cloudImageOf(
  found: CatalogImage,
  backend: string,
  { lockFile: ofProject, allowUnverified }: LookupOptions,
): Result<CloudImage> {
  const lockFile = ofProject ?? lockFileIn(backend);
  const locked = readLockFile(lockFile);
  if (!locked.ok) return locked;
  const { user, setUpBy, shell, privilege, networkConfig, cpuLevel } = found.guest;
  const pin =
    pinnedIn(locked.value, found) ?? (ofProject === undefined ? pinOfKept(found, backend) : undefined);
  return ok({
    name: requestedName(found),
    architecture: found.architecture,
    guest: {
      ...{ user, setUpBy, shell, privilege, networkConfig },
      ...(cpuLevel === undefined ? {} : { cpuLevel }),
    },
    lockFile,
    ...(pin === undefined ? {} : { pin }),
    ...(allowUnverified ? { allowUnverified } : {}),
  });
}

/** Name of an image in the catalogue, with a build only if one is requested. */
function requestedName({ name, build }: CatalogImage): string {
  return build === undefined ? name : `${name}@${build}`;
}

function pinnedIn(locked: readonly LockedImage[], found: CatalogImage): ImagePin | undefined {
  const pin = pinOf(locked, { name: requestedName(found), architecture: found.architecture });
  if (pin === undefined) return undefined;
  const { build, url, digest } = pin;
  return { build, url, ...(digest === undefined ? {} : { digest }) };
}

/** Pin of the newest build in the backend that is the requested one. */
export function pinOfKept(
  {
    name,
    build,
    architecture,
  }: { readonly name: string; readonly build?: string; readonly architecture: string },
  backend: string,
): ImagePin | undefined {
  return keptBuilds(backend).find(
    (kept) =>
      kept.catalogName === name &&
      kept.architecture === architecture &&
      (build === undefined || build === kept.pin.build || build === kept.pin.digest),
  )?.pin;
}

/** Name of the user's own for an image, which may be written with a build. */
function ownName(name: string): string {
  return partsOfKeptName(name)?.name ?? name;
}

/** The name by which a backend keeps an image, with its build once one is pinned, and the source of that build. */
function named(
  own: string,
  { name, architecture }: CatalogImage,
  cloud: CloudImage,
): Pick<WantedImage, 'name' | 'source' | 'cloud'> {
  const { pin } = cloud;
  if (pin === undefined) return { name: own, source: { protocol: 'cloud', location: cloud.name }, cloud };
  const source = { protocol: 'cloud', location: `${name}@${pin.build}` } as const;
  return { name: keptName(own, pin.build, architecture), source, cloud };
}

/** Architecture of guests: that of this host. */
function architecture(): Architecture {
  return hostArchitecture() === 'aarch64' ? 'aarch64' : 'x86_64';
}

function misspelt(name: string, closest: string): Problem {
  return {
    reason: 'unknown-reference',
    message: `there is no image "${name}" in the backend or the catalogue`,
    hint: `did you mean "${closest}"? "transient image search" lists the images of the catalogue`,
  };
}
