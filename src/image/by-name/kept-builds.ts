import { readdirSync } from 'node:fs';
import type { ImagePin } from '../../config/cloud-image.ts';
import { partsOfKeptName, splitRequest } from '../../config/cloud-image.ts';
import { decodeName } from '../../host/store-layout.ts';
import { CLOUD, readOrigin } from '../origin.ts';
import { compareBuilds } from '../vendor/build-order.ts';

/** A build of an image of the catalogue that a backend holds. */
export interface KeptBuild {
  /** Name in the backend, of which `name` is the part in front of the build. */
  readonly keptName: string;
  readonly name: string;
  readonly architecture: string;
  /** Name in the catalogue. */
  readonly catalogName: string;
  readonly pin: ImagePin;
}

/** Builds that a backend holds, the newest first. */
export function keptBuilds(backend: string): KeptBuild[] {
  return namesIn(backend)
    .flatMap((file) => keptBuild(backend, decodeName(file)) ?? [])
    .toSorted((a, b) => compareBuilds(b.pin.build, a.pin.build));
}

/** The build that a backend holds under a name; undefined if it is not one of the catalogue. */
export function keptBuild(backend: string, keptName: string | undefined): KeptBuild | undefined {
  const parts = keptName === undefined ? undefined : partsOfKeptName(keptName);
  if (keptName === undefined || parts === undefined) return undefined;
  const origin = readOrigin(backend, keptName);
  if (origin?.pin === undefined || !origin.source.startsWith(CLOUD)) return undefined;
  const { name: catalogName } = splitRequest(origin.source.slice(CLOUD.length));
  const { digest, ...pin } = origin.pin;
  const { name, architecture } = parts;
  return { keptName, name, architecture, catalogName, pin: digest === undefined ? pin : { ...pin, digest } };
}

function namesIn(backend: string): string[] {
  try {
    // only builds have an "@" in their names
    return readdirSync(backend).filter((file) => file.includes('%40'));
  } catch {
    return [];
  }
}
