import { readFileSync } from 'node:fs';
import { mkdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { lazily } from '../lazily.ts';
import type { ImageNeed } from '../config/vm-spec.ts';
import { sweepUnfinished, writeDurably } from '../host/durable.ts';
import { shownImageSource } from '../options/values/image-spec.ts';
import { encodeName } from '../host/store-layout.ts';
import { TransientError } from '../problem.ts';
import { sumOfFile } from './sums.ts';

/** Directory of a backend with the origins of its images. */
const ORIGIN = '.origin';

/** Prefix of the source of an image that was committed from a VM. */
export const COMMIT = 'commit=';

/** Prefix of the source of an image of the catalogue. */
export const CLOUD = 'cloud=';

/**
 * Origin of an image: its source in the form of an image spec, the SHA-256 of the received bytes, and the build of an
 * image of the catalogue.
 */
const originSchema = lazily(() =>
  z.object({
    source: z.string(),
    sha256: z.string(),
    pin: z.object({ build: z.string(), url: z.string(), digest: z.string().optional() }).optional(),
  }),
);

export type Origin = z.infer<ReturnType<typeof originSchema>>;

export async function recordOrigin(
  { backend, name }: Pick<ImageNeed, 'backend' | 'name'>,
  origin: Origin,
): Promise<void> {
  await mkdir(join(backend, ORIGIN), { recursive: true });
  await writeDurably(originPath(backend, name), `${JSON.stringify(origin)}\n`);
}

/** Removes temporary files of processes that died while they recorded an origin. */
export async function sweepOrigins(backend: string): Promise<void> {
  await sweepUnfinished(join(backend, ORIGIN));
}

export async function forgetOrigin(backend: string, name: string): Promise<void> {
  await rm(originPath(backend, name), { force: true });
}

/** Records that an image is used now; without an origin nothing is recorded. */
export async function recordUse({ backend, name }: Pick<ImageNeed, 'backend' | 'name'>): Promise<void> {
  const now = new Date();
  await utimes(originPath(backend, name), now, now).catch(() => undefined);
}

/** Time of the last recorded use of an image, or of its retrieval. */
export async function lastUse(backend: string, name: string): Promise<Date | undefined> {
  return (await stat(originPath(backend, name)).catch(() => undefined))?.mtime;
}

/**
 * Rejects a stored image that is not the requested one. One without a record (created by the Python), and a request
 * without a source, are accepted. A file that was moved, or lies in another checkout of the same project, is the same
 * source as long as its bytes are the same.
 */
export async function checkOrigin(need: ImageNeed): Promise<void> {
  const origin = readOrigin(need.backend, need.name);
  const requested = need.source && shownImageSource(need.source);
  if (origin === undefined) return;
  if (requested !== undefined && requested !== origin.source && !isByNameOnly(need, origin)) {
    if (await isSameFile(need, origin)) return recordOrigin(need, { ...origin, source: requested });
    throw mismatch(need, `it came from ${origin.source}, but ${requested} is requested`);
  }
  if (need.sha256 !== undefined && need.sha256 !== origin.sha256) {
    throw mismatch(need, `its sha256 is ${origin.sha256}, but ${need.sha256} is requested`);
  }
}

/** Whether a box is requested by name alone and the stored image was committed under that name. */
function isByNameOnly({ name, source }: ImageNeed, origin: Origin): boolean {
  return origin.source.startsWith(COMMIT) && source?.protocol === 'vagrant' && source.location === name;
}

async function isSameFile({ source, sha256 }: ImageNeed, origin: Origin): Promise<boolean> {
  if (source?.protocol !== 'file' || !origin.source.startsWith('file=')) return false;
  if (sha256 !== undefined && sha256 !== origin.sha256) return false;
  const actual = await sumOfFile(source.location).catch(() => undefined);
  return actual === origin.sha256;
}

/** Origin of an image; undefined if none is recorded. */
export function readOrigin(backend: string, name: string): Origin | undefined {
  try {
    const text = readFileSync(originPath(backend, name), 'utf8');
    return originSchema().safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function originPath(backend: string, name: string): string {
  return join(backend, ORIGIN, `${encodeName(name)}.json`);
}

function mismatch({ name, backend }: ImageNeed, why: string): TransientError {
  return new TransientError({
    reason: 'image',
    message: `the backend ${backend} has another image named '${name}': ${why}`,
    hint: `choose another name, or remove the existing image: transient image rm ${name}`,
  });
}
