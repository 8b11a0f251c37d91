import type { CatalogImage } from '../../catalog/catalog-image.ts';
import type { Resolver, ResolverKind } from '../../catalog/resolver.ts';
import type { Sum } from './checksum-file.ts';
import type { VendorClient } from './client.ts';

/** A build that a vendor offers. */
export interface VendorBuild {
  readonly build: string;
  /** URL of its image, before mirrors are applied. */
  readonly url: string;
  readonly size?: number;
  /** Its checksum, if the document that names the build has it. */
  readonly sum?: Sum;
  /** Whether the signature of that document has been verified. */
  readonly isSigned?: boolean;
}

/** An image whose builds are found in a certain way. */
export type ImageOfKind<K extends ResolverKind> = CatalogImage & {
  readonly resolver: Extract<Resolver, { kind: K }>;
};

/** Finds the builds of an image that a vendor offers, in any order. */
export type FindBuilds<K extends ResolverKind> = (
  image: ImageOfKind<K>,
  client: VendorClient,
) => Promise<readonly VendorBuild[]>;

/** Form of a build that a vendor may name: it becomes part of addresses and file names. */
export const BUILD_FORM = /^\w(?:\.?[\w-])*$/;

/** Whether a path of a vendor's document stays below the address it belongs to. */
export function isPlainPath(path: string): boolean {
  return /^[\w.+~-]+(?:\/[\w.+~-]+)*$/.test(path) && !path.split('/').some((part) => /^\.+$/.test(part));
}
