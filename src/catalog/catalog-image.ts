import type { CloudGuest } from '../config/cloud-image.ts';
import type { Resolver } from './resolver.ts';

export type Architecture = 'x86_64' | 'aarch64';

export type Firmware = 'bios' | 'uefi';

/** Facts about the guests of a release, for its seed and machine. */
export interface GuestFacts extends CloudGuest {
  /** Firmware that its images boot with, the preferred one first. */
  readonly firmware: readonly Firmware[];
}

/** A public key that a vendor signs with: one that comes with the catalogue, or a file of the user. */
export type KeySource =
  { readonly kind: 'bundled'; readonly name: string } | { readonly kind: 'file'; readonly path: string };

/** An image of the catalogue. */
export interface CatalogImage {
  /** Canonical name without a build, such as `debian:13` or `ubuntu:24.04-minimal`. */
  readonly name: string;
  /** Requested build, or a digest `sha512:HEX` or `sha256:HEX`. */
  readonly build?: string;
  readonly distribution: string;
  readonly release: string;
  readonly variant: string;
  readonly architecture: Architecture;
  readonly guest: GuestFacts;
  /** How its newest build is found; only placeholders for the build are left in its addresses. */
  readonly resolver: Resolver;
  readonly keys: readonly KeySource[];
  /** Fingerprints of the primary keys that may sign it; none if the vendor does not sign. */
  readonly fingerprints: readonly string[];
}
