import type { Environment } from '../config/merge.ts';
import { didYouMean, nearestWord } from '../options/issues.ts';
import type { Problem, Result } from '../problem.ts';
import { all, failed, ok } from '../problem.ts';
import type { Architecture, CatalogImage } from './catalog-image.ts';
import type { Distribution, Release, Variant } from './distribution.ts';
import { architecturesOf, canonicalName, imageOf, variantsOf } from './distribution-images.ts';
import type { Entry } from './library.ts';
import { Library } from './library.ts';
import type { ImageName } from './image-name.ts';
import { parseImageName } from './image-name.ts';

export type { Architecture, CatalogImage, Firmware, GuestFacts } from './catalog-image.ts';

/** A release of a distribution, as lists show it. */
export interface CatalogRow {
  readonly distribution: string;
  readonly title: string;
  readonly release: string;
  readonly name: string;
  readonly otherNames: string[];
  readonly variants: string[];
  readonly architectures: Architecture[];
  readonly firmware: string[];
  readonly user: string;
  /** Whether the vendor's checksums are signed and the signature is verified. */
  readonly signed: boolean;
  /** `bundled`, or the path of the user's file. */
  readonly source: string;
}

/** The distributions whose images are found by name. Files are parsed on first use. */
export class Catalog {
  readonly #library: Library;

  private constructor(library: Library) {
    this.#library = library;
  }

  static open(environment: Environment): Catalog {
    return new Catalog(new Library(environment));
  }

  /** Whether a text has the form of a name of the catalogue, and its distribution is known. */
  knows(text: string): boolean {
    const name = parseImageName(text);
    return name !== undefined && this.#library.nameOf(name.distribution) !== undefined;
  }

  /** Finds an image by its name; without a release, that is the latest. */
  find(text: string, architecture: Architecture): Result<CatalogImage> {
    const name = parseImageName(text);
    if (name === undefined) return failed(malformed(text));
    const distribution = this.#library.nameOf(name.distribution);
    if (distribution === undefined) return failed(this.#unknownDistribution(name.distribution));
    const entry = this.#library.entry(distribution);
    return entry.ok ? imageIn(entry.value, name, architecture) : entry;
  }

  /** A name of the catalogue that is close to a misspelt one. */
  closest(text: string): string | undefined {
    const name = parseImageName(text.toLowerCase());
    if (name === undefined) return undefined;
    const distribution =
      this.#library.nameOf(name.distribution) ?? nearestWord(name.distribution, this.#library.names);
    const entry = distribution === undefined ? undefined : this.#library.entry(distribution);
    if (distribution === undefined || entry?.ok !== true) return undefined;
    if (name.tag === undefined) return distribution;
    const tag = nearestWord(name.tag, tagsOf(entry.value.distribution));
    return tag === undefined ? undefined : `${distribution}:${tag}`;
  }

  /** The releases of all distributions, or of those whose names or titles contain a word. */
  rows(word?: string): Result<CatalogRow[]> {
    const { names, problems } = this.#library;
    const entries = all(names.map((name) => this.#library.entry(name)));
    if (!entries.ok) return failed(...problems, ...entries.problems);
    if (problems.length > 0) return failed(...problems);
    const rows = all(entries.value.map(rowsOf));
    if (!rows.ok) return rows;
    return ok(rows.value.flat().filter((row) => word === undefined || mentions(row, word)));
  }

  /** Canonical names of all images. */
  names(): string[] {
    return this.#library.names.flatMap((name) => {
      const entry = this.#library.entry(name);
      return entry.ok ? namesOf(entry.value) : [];
    });
  }

  /** Adds line and column to problems of the files of distributions. */
  placed(problems: readonly Problem[]): Promise<Problem[]> {
    return this.#library.placed(problems);
  }

  #unknownDistribution(word: string): Problem {
    const { names } = this.#library;
    const candidates = [...names, ...names.flatMap((name) => this.#library.otherNames(name))];
    return {
      reason: 'unknown-reference',
      message: `the catalogue has no distribution "${word}"`,
      hint: didYouMean(word, candidates) ?? `it has: ${names.join(', ')}`,
    };
  }
}

function malformed(text: string): Problem {
  return {
    reason: 'invalid-value',
    message: `"${text}" is not the name of an image of the catalogue`,
    hint: 'the form is DISTRIBUTION:RELEASE, such as debian:13, ubuntu:24.04-minimal or debian:13@BUILD',
  };
}

function imageIn(entry: Entry, name: ImageName, architecture: Architecture): Result<CatalogImage> {
  const { distribution } = entry;
  const chosen = chosenRelease(distribution, name.tag);
  if (chosen === undefined) return failed(unknownRelease(entry, name));
  const { release, variantName } = chosen;
  const variants = variantsOf(distribution, release, architecture);
  const variant = variantName === undefined ? variants[0] : variants.find((one) => one.name === variantName);
  if (variant === undefined) return failed(unavailable(entry, release, variantName, architecture));
  const image = imageOf(entry, release, variant, architecture);
  if (!image.ok || name.build === undefined) return image;
  return ok({ ...image.value, build: name.build });
}

/** The release and variant that a tag such as `24.04-minimal` stands for. */
function chosenRelease(
  distribution: Distribution,
  tag: string | undefined,
): { release: Release; variantName?: string } | undefined {
  const { releases } = distribution;
  if (tag === undefined) {
    const release = releases.find((one) => otherNamesOf(one).includes('latest')) ?? releases[0];
    return release && { release };
  }
  const release = releaseNamed(distribution, tag);
  if (release !== undefined) return { release };
  for (const one of releases) {
    const variant = variantsOf(distribution, one).find(({ name }) => tag.endsWith(`-${name}`));
    if (variant === undefined) continue;
    const named = releaseNamed(distribution, tag.slice(0, -variant.name.length - 1));
    if (named === one) return { release: one, variantName: variant.name };
  }
  return undefined;
}

function releaseNamed({ releases }: Distribution, word: string): Release | undefined {
  return (
    releases.find(({ name }) => name === word) ?? releases.find((one) => otherNamesOf(one).includes(word))
  );
}

/** Further names of a release: its codename, and those of its file. */
function otherNamesOf({ name, codename, 'other-names': others = [] }: Release): string[] {
  return [...(codename === undefined || codename === name ? [] : [codename]), ...others];
}

/** Everything that may stand after the colon. */
function tagsOf(distribution: Distribution): string[] {
  return distribution.releases.flatMap((release) => {
    const names = [release.name, ...otherNamesOf(release)];
    const variants = variantsOf(distribution, release);
    return [...names, ...variants.flatMap((variant) => names.map((name) => `${name}-${variant.name}`))];
  });
}

function unknownRelease({ name, distribution }: Entry, { tag = '' }: ImageName): Problem {
  return {
    reason: 'unknown-reference',
    message: `${distribution.title} has no release "${tag}" in the catalogue`,
    hint:
      didYouMean(
        `${name}:${tag}`,
        tagsOf(distribution).map((one) => `${name}:${one}`),
      ) ?? `it has: ${distribution.releases.map((release) => `${name}:${release.name}`).join(', ')}`,
  };
}

function unavailable(
  entry: Entry,
  release: Release,
  variantName: string | undefined,
  architecture: Architecture,
): Problem {
  const { name, distribution } = entry;
  const variants = variantsOf(distribution, release);
  const image = `${name}:${release.name}${variantName === undefined ? '' : `-${variantName}`}`;
  const wanted = variants.filter((one) => variantName === undefined || one.name === variantName);
  const architectures = wanted.flatMap((one) => architecturesOf(distribution, release, one));
  return {
    reason: 'unknown-reference',
    message: `there is no image ${image} for ${architecture}`,
    hint: `the vendor has it for: ${[...new Set(architectures)].join(', ')}`,
  };
}

function rowsOf(entry: Entry): Result<CatalogRow[]> {
  return all(entry.distribution.releases.map((release) => rowOf(entry, release)));
}

function rowOf(entry: Entry, release: Release): Result<CatalogRow> {
  const { distribution } = entry;
  const images = all(imagesOf(entry, release));
  if (!images.ok) return images;
  const [first] = images.value;
  return ok({
    distribution: entry.name,
    title: distribution.title,
    release: release.name,
    name: `${entry.name}:${release.name}`,
    otherNames: otherNamesOf(release),
    variants: variantsOf(distribution, release).map(({ name }) => name),
    architectures: unique(images.value.map(({ architecture }) => architecture)),
    firmware: unique(images.value.flatMap(({ guest }) => guest.firmware)),
    user: first?.guest.user ?? distribution.user,
    signed: images.value.every(({ fingerprints }) => fingerprints.length > 0),
    source: entry.source,
  });
}

function imagesOf(entry: Entry, release: Release): Result<CatalogImage>[] {
  const { distribution } = entry;
  return variantsOf(distribution, release).flatMap((variant) =>
    architecturesOf(distribution, release, variant).map((architecture) =>
      imageOf(entry, release, variant, architecture),
    ),
  );
}

function namesOf(entry: Entry): string[] {
  const { distribution } = entry;
  return distribution.releases.flatMap((release) =>
    variantsOf(distribution, release).map((variant: Variant) => canonicalName(entry, release, variant)),
  );
}

function mentions({ name, title, otherNames }: CatalogRow, word: string): boolean {
  return [name, title, ...otherNames].some((text) => text.toLowerCase().includes(word.toLowerCase()));
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
