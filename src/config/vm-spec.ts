import type { Forward } from '../options/values/forward.ts';
import type { ImageRef } from '../options/values/image-spec.ts';
import type { CloudImage } from './cloud-image.ts';
import type { Connection } from './connection.ts';
import type { CopiesSpec } from './copies.ts';
import type { MachineSpec } from './machine.ts';
import type { SeedSpec } from './seed-spec.ts';
import type { SharesSpec } from './shares.ts';
import type { ShutdownMode } from './shutdown.ts';
import type { SshSpec } from './ssh.ts';

/** An image, and what must be true of it. */
export interface WantedImage extends ImageRef {
  /** Expected SHA-256 checksum of the source, in hexadecimal. */
  readonly sha256?: string | undefined;
  /** Undefined for an image that does not come from the catalogue. */
  readonly cloud?: CloudImage;
}

/** An image that a VM needs, and the backend it belongs in; a path in its source is absolute. */
export interface ImageNeed extends WantedImage {
  readonly backend: string;
}

/** Place of a VM's disks and configuration in the VM store. */
export interface StateSpec {
  readonly name: string;
  readonly vmstore: string;
  /** TOML texts written at creation, for the Python transient and for us; undefined for a VM that exists. */
  readonly creation?: { readonly config: string; readonly ours: string };
  /** It is removed when the run ends. */
  readonly temporary: boolean;
}

/** A host port forwarded into the guest on its ssh card. */
export type ForwardSpec = Forward;

/** A card of a VM in a network of its Transientfile. */
export interface NetworkCard {
  readonly name: string;
  /** Its IPv4 address, and how many bits of it the whole network shares. */
  readonly address: string;
  /** @asType integer */
  readonly prefix: number;
  /** MAC address, in lower case with colons. */
  readonly mac: string;
  /** All VMs of the network by their names, this one too. */
  readonly peers: readonly { readonly name: string; readonly address: string }[];
}

/** State that another VM must have reached: booted, ready, or its command exited with 0. */
export interface Dependency {
  readonly vm: string;
  readonly until: 'started' | 'ready' | 'done';
}

/** A fully resolved VM: defaults filled in, paths absolute, read-only. */
export interface VmSpec {
  /** Its name in the file, or the name implied by the command line. */
  readonly name: string;
  /** Name of the VM while it runs. */
  readonly instance: string;
  readonly images: readonly [ImageNeed, ...ImageNeed[]];
  /** Undefined for a stateless VM. */
  readonly state?: StateSpec;
  readonly copies: CopiesSpec;
  readonly shares: SharesSpec;
  readonly connection: Connection;
  readonly ssh?: SshSpec;
  /** Undefined for a guest that is not set up by cloud-init. */
  readonly seed?: SeedSpec;
  readonly forwards: readonly ForwardSpec[];
  readonly machine: MachineSpec;
  /** In the order given by the VM. */
  readonly networks: readonly NetworkCard[];
  readonly ending: ShutdownMode;
  /** States that other VMs must have reached before this one boots. */
  readonly dependsOn: readonly Dependency[];
  /** Readiness check run once the guest accepts ssh; timeout in seconds. */
  readonly readiness?: { readonly command: string; readonly timeout: number };
  /** VM store in which other processes look up this VM. */
  readonly vmstore: string;
}
