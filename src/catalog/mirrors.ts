import { join } from 'node:path';
import * as z from 'zod';
import { readDocument } from '../config/document.ts';
import { schemaProblems } from '../config/document-layer.ts';
import type { Environment } from '../config/merge.ts';
import { existsSync } from 'node:fs';
import { lazily } from '../lazily.ts';
import '../options/zod-settings.ts';
import type { Result } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import type { CatalogImage } from './catalog-image.ts';
import { configurationDirectory } from './library.ts';

/** An address and that which replaces it. */
type Mirror = readonly [address: string, replacement: string];

const address = lazily(() =>
  z.string().refine((text) => isAddress(text), { error: 'must be an http or https URL' }),
);

const settings = lazily(() =>
  z.strictObject({
    /** Addresses of mirrors, by the addresses of vendors that they replace. */
    mirrors: z.record(address(), address()).optional(),
  }),
);

/** Addresses that replace those of vendors: by the user's file, and by TRANSIENT_MIRROR_NAME for one distribution. */
export class Mirrors {
  readonly #mirrors: readonly Mirror[];

  private constructor(mirrors: readonly Mirror[]) {
    // the longest address that fits wins, and of equal ones the first
    this.#mirrors = mirrors.toSorted(([one], [other]) => other.length - one.length);
  }

  /** The mirrors for an image. */
  static open(environment: Environment, image: CatalogImage): Result<Mirrors> {
    const ofVendor = mirrorsOfVariable(environment, image);
    const ofFile = mirrorsOfFile(join(configurationDirectory(environment), 'config.toml'));
    if (!ofVendor.ok) return ofVendor;
    return ofFile.ok ? ok(new Mirrors([...ofVendor.value, ...ofFile.value])) : ofFile;
  }

  /** The address at which a URL is requested. */
  mirrored(url: string): string {
    for (const [from, to] of this.#mirrors) {
      if (spelledAlike(url) === spelledAlike(from)) return to;
      const rest = restBelow(url, from);
      if (rest !== undefined) return `${to.replace(/\/+$/, '')}/${rest}`;
    }
    return url;
  }
}

/** Name of the environment variable with the mirror of a distribution. */
export function mirrorVariable(distribution: string): string {
  return `TRANSIENT_MIRROR_${distribution.toUpperCase().replaceAll('-', '_')}`;
}

function mirrorsOfVariable(
  environment: Environment,
  { distribution, resolver }: CatalogImage,
): Result<Mirror[]> {
  const name = mirrorVariable(distribution);
  const mirror = environment[name];
  if (!mirror) return ok([]);
  if (isAddress(mirror)) {
    return ok([resolver.base, ...resolver['other-bases']].map((base): Mirror => [base, mirror]));
  }
  return failed({
    reason: 'invalid-value',
    message: 'the address of a mirror must be an http or https URL',
    where: { kind: 'env', name },
    hint: `it replaces ${resolver.base}`,
  });
}

function mirrorsOfFile(path: string): Result<Mirror[]> {
  if (!existsSync(path)) return ok([]);
  const document = readDocument(path, path);
  if (!document.ok) return document;
  const checked = settings().safeParse(document.value.data, { reportInput: true });
  const problems = [
    ...document.value.faults,
    ...schemaProblems(document.value, checked.error, (keys) =>
      keys.length === 0 ? Object.keys(settings().shape) : [],
    ),
  ];
  if (!checked.success || problems.length > 0) return failed(...problems);
  return ok(Object.entries(checked.data.mirrors ?? {}));
}

function isAddress(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text);
}

/** The part of a URL below an address. */
function restBelow(url: string, address: string): string | undefined {
  const directory = `${address.replace(/\/+$/, '')}/`;
  return spelledAlike(url).startsWith(spelledAlike(directory)) ? url.slice(directory.length) : undefined;
}

/** Underscores in keys are read as hyphens, as everywhere in our files. */
function spelledAlike(url: string): string {
  return url.replaceAll('_', '-');
}
