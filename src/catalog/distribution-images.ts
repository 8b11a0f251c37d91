import { inFile } from '../config/locate.ts';
import type { Problem, Result } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import type { Architecture, CatalogImage, GuestFacts } from './catalog-image.ts';
import type { Distribution, Release, Variant } from './distribution.ts';
import { problemsIn } from './distribution.ts';
import type { Entry } from './library.ts';
import type { Resolver } from './resolver.ts';
import { TEMPLATES, resolverSchema } from './resolver.ts';
import type { Words } from './template.ts';
import { LATE_PLACEHOLDERS, filled, unknownPlaceholders } from './template.ts';

const ARCHITECTURES: readonly Architecture[] = ['x86_64', 'aarch64'];

/** Stands for the variant of a distribution that has no variants. */
const ONLY_VARIANT: Variant = { name: 'default' };

/** Keys of the table of architectures, in which underscores are read as hyphens. */
const KEYS = { x86_64: 'x86-64', aarch64: 'aarch64' } as const;

/** Architectures for which a release has a variant. */
export function architecturesOf(
  { architectures }: Distribution,
  release: Release,
  variant: Variant,
): Architecture[] {
  return ARCHITECTURES.filter(
    (one) =>
      architectures[KEYS[one]] !== undefined &&
      [release, variant].every((part) => part.architectures?.includes(one) ?? true),
  );
}

/** Variants of a release, the default one first; for one architecture, or for any. */
export function variantsOf(
  distribution: Distribution,
  release: Release,
  architecture?: Architecture,
): Variant[] {
  const { variants = [ONLY_VARIANT] } = distribution;
  return variants
    .filter(({ name }) => release.variants?.includes(name) ?? true)
    .filter((variant) => {
      const architectures = architecturesOf(distribution, release, variant);
      return architecture === undefined ? architectures.length > 0 : architectures.includes(architecture);
    });
}

/** Canonical name of an image, in which the default variant is left out. */
export function canonicalName(
  { name, distribution }: Entry,
  release: Release,
  variant: Variant,
  architecture?: Architecture,
): string {
  const [standard] = variantsOf(distribution, release, architecture);
  return `${name}:${release.name}${variant.name === standard?.name ? '' : `-${variant.name}`}`;
}

/** The image of a release, variant and architecture, which the distribution has. */
export function imageOf(
  entry: Entry,
  release: Release,
  variant: Variant,
  architecture: Architecture,
): Result<CatalogImage> {
  const { distribution, document } = entry;
  const layers = [distribution, release, variant];
  const merged = mergedResolver(layers);
  const { base = '' } = merged;
  const words = wordsFor(distribution, release, variant, architecture, base);
  const unknown = unknownIn(entry, merged, words);
  if (unknown.length > 0) return failed(...unknown);
  const resolver = resolverSchema().safeParse(filledIn(merged, words), { reportInput: true });
  if (!resolver.success) return failed(...problemsIn(document, resolver.error, ['resolver']));
  const keys = lastOf(layers, 'keys') ?? [];
  const fingerprints = lastOf(layers, 'fingerprints') ?? [];
  const unfit = unfitSignature(entry, resolver.data, keys, fingerprints);
  if (unfit !== undefined) return failed(unfit);
  return ok({
    name: canonicalName(entry, release, variant, architecture),
    distribution: entry.name,
    release: release.name,
    variant: variant.name,
    architecture,
    guest: guestOf(layers, distribution.user, architecture),
    resolver: resolver.data,
    keys: keys.map(entry.keySource),
    fingerprints,
  });
}

type Layer = Partial<Pick<Variant, Exclude<keyof Variant, 'name' | 'architectures'>>>;

/** The value of a key in the last layer that has it. */
function lastOf<K extends keyof Layer>(layers: readonly Layer[], key: K): Layer[K] {
  return layers.findLast((layer) => layer[key] !== undefined)?.[key];
}

function guestOf(layers: readonly Layer[], user: string, architecture: Architecture): GuestFacts {
  const level = architecture === 'x86_64' ? lastOf(layers, 'cpu-level') : undefined;
  const firmware = lastOf(layers, 'firmware') ?? ['bios', 'uefi'];
  return {
    user: lastOf(layers, 'user') ?? user,
    shell: lastOf(layers, 'shell') ?? '/bin/bash',
    privilege: lastOf(layers, 'privilege') ?? 'sudo',
    setUpBy: lastOf(layers, 'set-up-by') ?? 'cloud-init',
    networkConfig: lastOf(layers, 'network-config') ?? 2,
    firmware: architecture === 'x86_64' ? firmware : ['uefi'],
    ...(level === undefined ? {} : { cpuLevel: level }),
  };
}

function mergedResolver(layers: readonly Layer[]): NonNullable<Layer['resolver']> {
  return layers.reduce<NonNullable<Layer['resolver']>>(
    (merged, { resolver = {} }) => ({ ...merged, ...resolver }),
    {},
  );
}

function wordsFor(
  { architectures, ...distribution }: Distribution,
  release: Release,
  variant: Variant,
  architecture: Architecture,
  base: string,
): Words {
  const vendor = architectures[KEYS[architecture]] ?? {};
  return {
    base,
    release: release.name,
    variant: variant.name,
    ...(release.codename === undefined ? {} : { codename: release.codename }),
    ...distribution.words,
    ...(typeof vendor === 'string' ? { arch: vendor } : vendor),
    ...release.words,
    ...variant.words,
  };
}

function filledIn(resolver: Readonly<Record<string, unknown>>, words: Words): Record<string, unknown> {
  const entries = Object.entries(resolver).map(([key, value]) => [
    key,
    TEMPLATES.includes(key) && typeof value === 'string' ? filled(value, words) : value,
  ]);
  return Object.fromEntries(entries) as Record<string, unknown>;
}

function unknownIn(
  { document }: Entry,
  resolver: Readonly<Record<string, unknown>>,
  words: Words,
): Problem[] {
  return TEMPLATES.flatMap((key) => {
    const value = resolver[key];
    const [unknown] = typeof value === 'string' ? unknownPlaceholders(value, words) : [];
    if (unknown === undefined) return [];
    return [
      {
        reason: 'unknown-reference' as const,
        message: `resolver.${key} has an unknown placeholder {${unknown}}`,
        where: inFile(document, ['resolver', key], 'value'),
        hint: `known: ${[...Object.keys(words), ...LATE_PLACEHOLDERS].map((name) => `{${name}}`).join(', ')}`,
      },
    ];
  });
}

/** A signature needs keys, and keys a signature; otherwise nothing would be verified, without anybody noticing. */
function unfitSignature(
  { document }: Entry,
  { signature, checksums }: Resolver,
  keys: readonly string[],
  fingerprints: readonly string[],
): Problem | undefined {
  const needsKeys = signature !== undefined || keys.length > 0 || fingerprints.length > 0;
  const isComplete = signature !== undefined && checksums !== undefined;
  if (!needsKeys || (isComplete && keys.length > 0 && fingerprints.length > 0)) return undefined;
  return {
    reason: 'missing-key',
    message: 'a signature needs all of "keys", "fingerprints", and "checksums" and "signature" of [resolver]',
    where: inFile(document, ['resolver'], 'key'),
  };
}
