import type { CatalogImage } from '../../catalog/catalog-image.ts';
import type { StepContext } from '../../plan/executor.ts';
import { addressesOf, isDated, lastComponent } from './addresses.ts';
import { compareBuilds } from './build-order.ts';
import type { Sum } from './checksum-file.ts';
import { findInChecksums } from './checksum-newest.ts';
import { findByChecksum } from './checksum-of-file.ts';
import { VendorClient } from './client.ts';
import { findInDebianJson } from './debian-json.ts';
import { differentSums, noBuild, noChecksum, unexpectedForm, unknownBuild } from './faults.ts';
import { findInFedoraReleases } from './fedora-releases-json.ts';
import { findInListing } from './listing-newest.ts';
import { findInSimplestreams } from './simplestreams.ts';
import type { VendorBuild } from './vendor-build.ts';
import { fetchChecksums, sumIn } from './verified-sums.ts';

/** The checksum of a build, and whether the vendor's signature of it was verified. */
interface TrustedSum extends Sum {
  readonly isSigned: boolean;
}

/** No checksum, which the user has allowed. */
interface NoSum {
  readonly algorithm?: undefined;
  readonly digest?: undefined;
  readonly isSigned: false;
}

/** A build of an image at its vendor. */
export type VendorImage = (TrustedSum | NoSum) & {
  readonly url: string;
  readonly build: string;
  /** Size of the file, in bytes. */
  readonly size?: number;
};

/** Finds the newest build of an image, or the requested one, with its checksum. */
export async function resolveVendorImage(
  image: CatalogImage,
  { allowUnverified }: { readonly allowUnverified: boolean },
  context: StepContext,
): Promise<VendorImage> {
  const client = VendorClient.open(image, process.env, context);
  const resolution = new Resolution(image, client);
  const found = await resolution.requested();
  const sum = found.sum ?? (allowUnverified ? ({ isSigned: false } as const) : undefined);
  const { build, url, size } = found.build;
  if (sum === undefined) throw noChecksum(image, build);
  return { ...sum, url, build, ...(size === undefined ? {} : { size }) };
}

/** A build and its checksum, if the vendor has one. */
interface CheckedBuild {
  readonly build: VendorBuild;
  readonly sum: TrustedSum | undefined;
}

/** The search for one build of an image. */
class Resolution {
  readonly #image: CatalogImage;
  readonly #client: VendorClient;

  constructor(image: CatalogImage, client: VendorClient) {
    this.#image = image;
    this.#client = client;
  }

  async requested(): Promise<CheckedBuild> {
    const { build } = this.#image;
    if (build === undefined) return this.#newest();
    if (build.includes(':')) return this.#ofDigest(build);
    return (await this.#dated(build)) ?? this.#offered(({ build: one }) => one === build);
  }

  /** The newest build. */
  async #newest(): Promise<CheckedBuild> {
    const newest = this.#newestOf(await this.#builds());
    const checked = await this.#checked(newest);
    if (checked.sum !== undefined) return checked;
    // it may have been replaced by another one meanwhile
    const again = this.#newestOf(await this.#builds());
    return again.build === newest.build ? checked : this.#checked(again);
  }

  /** A build that is known by its checksum. */
  async #ofDigest(wanted: string): Promise<CheckedBuild> {
    const isWanted = ({ sum }: { readonly sum?: Sum | undefined }): boolean =>
      sum !== undefined && `${sum.algorithm}:${sum.digest}` === wanted;
    const builds = await this.#builds();
    const listed = builds.find(isWanted);
    const checked = await this.#checked(listed ?? this.#newestOf(builds));
    if (isWanted(checked)) return checked;
    throw unknownBuild(this.#image, checked.build.build);
  }

  /** A build by its address, if that tells the build; undefined if there is none, or it has no checksum there. */
  async #dated(build: string): Promise<CheckedBuild | undefined> {
    // vendors date their builds; `latest` is an address whose content changes
    if (!isDated(this.#image) || !/^\d/.test(build)) return undefined;
    const checked = await this.#checked({ build, url: addressesOf(this.#image, build).image });
    return checked.sum === undefined ? undefined : checked;
  }

  /** A build among those that the vendor offers. */
  async #offered(isWanted: (build: VendorBuild) => boolean): Promise<CheckedBuild> {
    const builds = await this.#builds();
    const found = builds.find(isWanted);
    if (found === undefined) throw unknownBuild(this.#image, this.#newestOf(builds).build);
    return this.#checked(found);
  }

  /** Adds the checksum: that of the vendor's checksum file, unless the build came from a signed file itself. */
  async #checked(build: VendorBuild): Promise<CheckedBuild> {
    const { sum, isSigned = false } = build;
    const { checksums: url } = addressesOf(this.#image, build.build, build.url);
    const isSigning = this.#image.resolver.signature !== undefined;
    const isEnough = sum !== undefined && (isSigned || !isSigning);
    if (isEnough || url === undefined) return { build, sum: sum && { ...sum, isSigned } };
    const checksums = await fetchChecksums(this.#image, url, this.#client);
    const name = lastComponent(build.url);
    const published = checksums && sumIn(checksums, name);
    if (checksums === undefined || published === undefined) return { build, sum: undefined };
    if (sum !== undefined && !isSame(sum, published)) throw differentSums(checksums.url, this.#index, name);
    return { build, sum: { ...published, isSigned: checksums.isSigned } };
  }

  async #builds(): Promise<readonly VendorBuild[]> {
    const builds = await findBuilds(this.#image, this.#client);
    if (builds.length === 0) throw noBuild(this.#image, this.#index);
    return builds;
  }

  #newestOf(builds: readonly VendorBuild[]): VendorBuild {
    const newest = builds.toSorted((one, other) => compareBuilds(other.build, one.build))[0];
    if (newest === undefined) throw noBuild(this.#image, this.#index);
    const same = builds.filter(({ build }) => build === newest.build);
    const isContradictory = same.some(({ sum }) => sum?.digest !== newest.sum?.digest);
    if (isContradictory) throw unexpectedForm(this.#index, 'an index of images');
    return newest;
  }

  /** Address of the document that names the builds. */
  get #index(): string {
    const { resolver } = this.#image;
    return this.#client.shown('index' in resolver ? resolver.index : resolver.image);
  }
}

function isSame(one: Sum, other: Sum): boolean {
  return one.algorithm !== other.algorithm || one.digest === other.digest;
}

/** Finds the builds that the vendor offers, in its way. */
function findBuilds(image: CatalogImage, client: VendorClient): Promise<readonly VendorBuild[]> {
  const { resolver } = image;
  switch (resolver.kind) {
    case 'debian-json':
      return findInDebianJson({ ...image, resolver }, client);
    case 'simplestreams':
      return findInSimplestreams({ ...image, resolver }, client);
    case 'fedora-releases-json':
      return findInFedoraReleases({ ...image, resolver }, client);
    case 'checksum-newest':
      return findInChecksums({ ...image, resolver }, client);
    case 'checksum-of-file':
      return findByChecksum({ ...image, resolver }, client);
    case 'listing-newest':
      return findInListing({ ...image, resolver }, client);
  }
}
