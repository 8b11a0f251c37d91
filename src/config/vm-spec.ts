import type { Forward } from '../options/forward.ts';
import type { ImageSource } from '../options/option.ts';

/** An image that a VM needs: its name, the backend it belongs in, and its source with an absolute path. */
export interface ImageNeed {
  readonly name: string;
  readonly backend: string;
  readonly source?: ImageSource;
  /** Expected SHA-256 checksum of the source, in hexadecimal. */
  readonly sha256?: string;
}

/** Connection of the user to the running VM. */
export type Connection =
  | { readonly kind: 'qemu-console' }
  | { readonly kind: 'ssh-console'; readonly serial: boolean }
  | { readonly kind: 'ssh-command'; readonly command: string; readonly serial: boolean }
  | { readonly kind: 'service' };

/** Ssh settings of a guest. Times are in seconds. */
export interface SshSpec {
  readonly user: string;
  readonly program: string;
  readonly timeout: number;
  readonly options: readonly string[];
  /**
   * Port of the host; the kernel picks one when it is undefined.
   * @asType integer
   */
  readonly port?: number;
  readonly netDriver: string;
  readonly wellKnownKeys: WellKnownKeys;
}

/**
 * Handling of well-known public keys in a guest, whose private keys are published: they are replaced by a generated one,
 * restored where they were replaced before, or left; `python`: left because the Python transient logs in with them.
 */
export type WellKnownKeys = 'replace' | 'restore' | 'leave' | 'python';

/** QEMU settings. Times are in seconds. */
export interface MachineSpec {
  readonly program: string;
  readonly memory: string;
  /** @asType integer */
  readonly cpus: number;
  readonly accel: 'auto' | 'kvm' | 'tcg';
  readonly virtioScsi: boolean;
  readonly qmpTimeout: number;
  readonly qemuArgs: readonly string[];
}

/** One copy: an absolute path of the host, one of the guest, and whether rsync moves it. */
export interface CopySpec {
  readonly host: string;
  readonly guest: string;
  readonly rsync: boolean;
}

/** A host directory mounted in the guest. */
export interface SharedFolderSpec {
  /** An absolute path. */
  readonly host: string;
  /** Absolute, or relative to the home directory of the ssh user. */
  readonly guest: string;
  readonly readonly: boolean;
  /** How many seconds the guest may cache names and attributes; undefined without caching. */
  readonly cache?: number;
}

/** Shared folders of a VM by mechanism. */
export interface SharesSpec {
  readonly sshfs: readonly SharedFolderSpec[];
  readonly '9p': readonly SharedFolderSpec[];
  readonly virtiofs: readonly SharedFolderSpec[];
  /** SFTP server program for sshfs: a path, or a name to be searched. */
  readonly sftpServer: string;
  /** Absolute paths of files that control what runs on the host, which are protected in every folder. */
  readonly unchanged: readonly string[];
}

/** Custom kernel and initramfs of the builder VM. */
export interface BuilderSpec {
  readonly kernel?: string;
  readonly initrd?: string;
}

/** Copies made before a VM runs and after it has run. */
export interface CopiesSpec {
  readonly in: readonly CopySpec[];
  readonly out: readonly CopySpec[];
  /** Whether copies go over ssh while the VM runs, instead of through the builder while it is stopped. */
  readonly direct: boolean;
  /** Seconds that each copy may take. */
  readonly timeout?: number;
  readonly builder: BuilderSpec;
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

/** How the VM is stopped: killed if it keeps nothing, else shut down by the guest within a timeout in seconds. */
export type Ending = { readonly kind: 'at-once' } | { readonly kind: 'orderly'; readonly timeout: number };

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
  readonly forwards: readonly ForwardSpec[];
  readonly machine: MachineSpec;
  /** In the order given by the VM. */
  readonly networks: readonly NetworkCard[];
  readonly ending: Ending;
  /** States that other VMs must have reached before this one boots. */
  readonly dependsOn: readonly Dependency[];
  /** Readiness check run once the guest accepts ssh; timeout in seconds. */
  readonly readiness?: { readonly command: string; readonly timeout: number };
  /** VM store in which other processes look up this VM. */
  readonly vmstore: string;
}
