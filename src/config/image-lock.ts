import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import * as z from 'zod';
import { lazily } from '../lazily.ts';
import type { Result } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import type { ImagePin } from './cloud-image.ts';
import { schemaProblems } from './document-layer.ts';
import type { Document } from './document.ts';
import { formatDocument, readDocument } from './document.ts';

/** The build that is pinned for an image of the catalogue. */
export interface LockedImage extends ImagePin {
  /** Name in the catalogue. */
  readonly name: string;
  readonly architecture: string;
  /** Day on which it was pinned, `YYYY-MM-DD`. */
  readonly date: string;
}

/** Version of the format, increased on incompatible changes. */
const VERSION = 1;

const COMMENT = `# The builds of the images that this project uses, written by transient. Commit this file.
# "transient image update" moves it to the newest builds.
`;

const lockedImage = lazily(() =>
  z.strictObject({
    name: z.string(),
    architecture: z.string(),
    build: z.string().regex(/^[\w.+-]+$/, { error: 'must be a build, such as 20260712-2537' }),
    url: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }),
    digest: z
      .string()
      .regex(/^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/, { error: 'must be sha256:HEX or sha512:HEX' })
      .optional(),
    date: z.iso.date({ error: 'must be a date, YYYY-MM-DD' }),
  }),
);

const lockSchema = lazily(() =>
  z.strictObject({ version: z.literal(VERSION), image: z.array(lockedImage()).default([]) }),
);

/** Path of the lock file of a Transientfile: `Transientfile.lock` beside `Transientfile.toml`. */
export function lockFileOf(transientfile: string): string {
  return `${transientfile.replace(/\.toml$/, '')}.lock`;
}

/** Reads the pinned builds of a lock file; none if it does not exist. */
export function readLockFile(path: string): Result<readonly LockedImage[]> {
  if (!existsSync(path)) return ok([]);
  const fromHere = relative(process.cwd(), path);
  const document = readDocument(path, fromHere.startsWith('..') ? path : fromHere);
  return document.ok ? lockedImages(document.value) : document;
}

function lockedImages(document: Document): Result<readonly LockedImage[]> {
  if (typeof document.data['version'] === 'number' && document.data['version'] > VERSION) {
    return failed({
      reason: 'invalid-value',
      message: `the lock file has version ${document.data['version']}, but this program knows only version ${VERSION}`,
      where: { kind: 'file', file: document.file },
      hint: 'use a newer transient',
    });
  }
  const checked = lockSchema().safeParse(document.data, { reportInput: true });
  const problems = schemaProblems(document, checked.error, keysAt);
  if (!checked.success || problems.length > 0) {
    const hint = 'restore the file, or remove it to pin the newest builds';
    return failed(...problems.map((problem) => ({ ...problem, hint: problem.hint ?? hint })));
  }
  return ok(checked.data.image.map(({ digest, ...image }) => (digest ? { ...image, digest } : image)));
}

function keysAt(path: readonly (string | number)[]): readonly string[] {
  return Object.keys(path.length === 0 ? lockSchema().shape : lockedImage().shape);
}

/** The pin of an image, if the lock file has one. */
export function pinOf(
  locked: readonly LockedImage[],
  { name, architecture }: Pick<LockedImage, 'name' | 'architecture'>,
): LockedImage | undefined {
  return locked.find((one) => one.name === name && one.architecture === architecture);
}

/** Formats pinned builds as a lock file; the same builds give the same text. */
export function lockFileText(locked: readonly LockedImage[]): string {
  const key = ({ name, architecture }: LockedImage): string => `${name} ${architecture}`;
  const image = locked.toSorted((a, b) => (key(a) < key(b) ? -1 : 1)).map(inOrder);
  return `${COMMENT}${formatDocument({ version: VERSION, image })}`;
}

function inOrder({ name, architecture, build, url, digest, date }: LockedImage): object {
  return { name, architecture, build, url, ...(digest === undefined ? {} : { digest }), date };
}
