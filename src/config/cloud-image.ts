import type { CpuLevel } from './cpu.ts';
import type { SeededGuest } from './seeded-guest.ts';

/** An image of the catalogue, and the build of it that is used. */
export interface CloudImage {
  /** Its name in the catalogue, with a build only if one is requested: `debian:13`. */
  readonly name: string;
  readonly architecture: string;
  readonly guest: CloudGuest;
  /** The file that pins its build. */
  readonly lockFile: string;
  /** Undefined as long as no build is pinned. */
  readonly pin?: ImagePin;
  /** Whether it may be used although its vendor publishes no checksum. */
  readonly allowUnverified?: true;
}

/** The guest in an image of the catalogue. */
export interface CloudGuest extends SeededGuest {
  /** Name of the vendor's default user. */
  readonly user: string;
  /** Undefined for one that boots on every processor. */
  readonly cpuLevel?: CpuLevel;
}

/** One build of an image of the catalogue. */
export interface ImagePin {
  readonly build: string;
  readonly url: string;
  /** `ALGORITHM:HEX`; undefined for an image without a checksum. */
  readonly digest?: string;
}

/** The name of an image in the catalogue, and the build that is requested with it, if any: `debian:13@20260712-2537`. */
export function splitRequest(request: string): { readonly name: string; readonly build?: string } {
  const [name = request, build] = request.split('@');
  return build === undefined ? { name } : { name, build };
}

/** The architecture that backends do not mention in the names of their images. */
const USUAL_ARCHITECTURE = 'x86_64';

/** Name under which a backend keeps one build of an image: `debian:13@20260712-2537`. */
export function keptName(name: string, build: string, architecture: string): string {
  return `${name}@${build}${architecture === USUAL_ARCHITECTURE ? '' : `:${architecture}`}`;
}

/** The parts of a name under which a backend keeps a build; undefined for another name. */
export function partsOfKeptName(
  kept: string,
): { readonly name: string; readonly build: string; readonly architecture: string } | undefined {
  const [, name, build, architecture = USUAL_ARCHITECTURE] =
    /^([^@]+)@([\w.+-]+)(?::(\w+))?$/.exec(kept) ?? [];
  return name === undefined || build === undefined ? undefined : { name, build, architecture };
}
