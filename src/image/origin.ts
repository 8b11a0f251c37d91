import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { lazily } from '../lazily.ts';
import type { ImageNeed } from '../config/vm-spec.ts';
import { sweepUnfinished, writeDurably } from '../host/durable.ts';
import { shownImageSource } from '../options/option.ts';
import { encodeName } from '../host/store-layout.ts';
import { TransientError } from '../problem.ts';
import { sumOfFile } from './sums.ts';

/** Directory of a backend that holds where its images came from. */
const ORIGIN = '.origin';

/** What the source of an image begins with that was made of a VM's disk. */
export const COMMIT = 'commit=';

/** Where an image came from: its source as an image spec says it, and the SHA-256 of the bytes that came. */
const originSchema = lazily(() => z.object({ source: z.string(), sha256: z.string() }));

export type Origin = z.infer<ReturnType<typeof originSchema>>;

export async function recordOrigin(
  { backend, name }: Pick<ImageNeed, 'backend' | 'name'>,
  origin: Origin,
): Promise<void> {
  await mkdir(join(backend, ORIGIN), { recursive: true });
  await writeDurably(originPath(backend, name), `${JSON.stringify(origin)}\n`);
}

/** Removes what processes left that died while they recorded an origin. */
export async function sweepOrigins(backend: string): Promise<void> {
  await sweepUnfinished(join(backend, ORIGIN));
}

export async function forgetOrigin(backend: string, name: string): Promise<void> {
  await rm(originPath(backend, name), { force: true });
}

/**
 * Refuses a stored image that is not the one that is asked for. One without a record (the Python made it), and a need
 * without a source, are taken as they are. A file that was moved, or lies in another checkout of the same project, is
 * the same source while its bytes are.
 */
export async function checkOrigin(need: ImageNeed): Promise<void> {
  const origin = await readOrigin(need.backend, need.name);
  const wanted = need.source && shownImageSource(need.source);
  if (origin === undefined) return;
  if (wanted !== undefined && wanted !== origin.source && !isByNameOnly(need, origin)) {
    if (await isSameFile(need, origin)) return recordOrigin(need, { ...origin, source: wanted });
    throw mismatch(need, `it came from ${origin.source}, and ${wanted} is asked for`);
  }
  if (need.sha256 !== undefined && need.sha256 !== origin.sha256) {
    throw mismatch(need, `its sha256 is ${origin.sha256}, and ${need.sha256} is asked for`);
  }
}

/** A box is asked for by its name alone, and an image that was made by that name is what was meant. */
function isByNameOnly({ name, source }: ImageNeed, origin: Origin): boolean {
  return origin.source.startsWith(COMMIT) && source?.protocol === 'vagrant' && source.location === name;
}

async function isSameFile({ source, sha256 }: ImageNeed, origin: Origin): Promise<boolean> {
  if (source?.protocol !== 'file' || !origin.source.startsWith('file=')) return false;
  if (sha256 !== undefined && sha256 !== origin.sha256) return false;
  const actual = await sumOfFile(source.location).catch(() => undefined);
  return actual === origin.sha256;
}

async function readOrigin(backend: string, name: string): Promise<Origin | undefined> {
  try {
    const text = await readFile(originPath(backend, name), 'utf8');
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
    message: `the backend ${backend} holds another image by the name '${name}': ${why}`,
    hint: `give yours another name, or remove that one: transient image rm ${name}`,
  });
}
