import type { Forward } from '../options/forward.ts';
import type { ImageSource } from '../options/option.ts';

/** An image that a VM needs: its name, the backend it belongs in, and its source with an absolute path. */
export interface ImageNeed {
  readonly name: string;
  readonly backend: string;
  readonly source?: ImageSource;
  /** Sum that the bytes of the source must have, in hexadecimal. */
  readonly sha256?: string;
}

/** What the user is connected to while the VM runs. */
export type Connection =
  | { readonly kind: 'qemu-console' }
  | { readonly kind: 'ssh-console'; readonly serial: boolean }
  | { readonly kind: 'ssh-command'; readonly command: string; readonly serial: boolean }
  | { readonly kind: 'service' };

/** How the guest is reached over ssh. Times are in seconds. */
export interface SshSpec {
  readonly user: string;
  readonly program: string;
  readonly timeout: number;
  readonly options: readonly string[];
  /** Port of the host; the kernel picks one when it is undefined. */
  readonly port?: number;
  readonly netDriver: string;
  readonly wellKnownKeys: WellKnownKeys;
}

/**
 * What happens to the keys in a guest whose private halves everybody has: they are replaced by one of its own, put back where
 * that was done before, or left; `python`: left because the Python transient logs in by them.
 */
export type WellKnownKeys = 'replace' | 'restore' | 'leave' | 'python';

/** What QEMU is told. Times are in seconds. */
export interface MachineSpec {
  readonly program: string;
  readonly memory: string;
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

/** A directory of the host that appears in the guest. */
export interface SharedFolderSpec {
  /** An absolute path. */
  readonly host: string;
  /** An absolute path, or one in the home of the ssh user. */
  readonly guest: string;
  readonly readonly: boolean;
  /** For how many seconds the guest may remember what it has seen; nothing where it asks each time. */
  readonly cache?: number;
}

/** The folders that a VM shares, by the way in which they come into it. */
export interface SharesSpec {
  readonly sshfs: readonly SharedFolderSpec[];
  readonly '9p': readonly SharedFolderSpec[];
  readonly virtiofs: readonly SharedFolderSpec[];
  /** The host's SFTP server behind sshfs: a path, or a name to be looked for. */
  readonly sftpServer: string;
  /** Absolute paths of what decides what runs on the host, which stays as it is in every folder. */
  readonly unchanged: readonly string[];
}

/** The user's own parts of the builder VM. */
export interface BuilderSpec {
  readonly kernel?: string;
  readonly initrd?: string;
}

/** What is copied in before a VM runs and out after it has. */
export interface CopiesSpec {
  readonly in: readonly CopySpec[];
  readonly out: readonly CopySpec[];
  /** Over ssh while it runs, instead of by the builder while it does not. */
  readonly direct: boolean;
  /** Seconds that each copy may take. */
  readonly timeout?: number;
  readonly builder: BuilderSpec;
}

/** The place of a VM's disks and configuration in the VM store, where they stay when it ends. */
export interface StateSpec {
  readonly name: string;
  readonly vmstore: string;
  /** What creating it writes: a TOML text that the Python reads and one that is ours; a VM that is there needs none. */
  readonly creation?: { readonly config: string; readonly ours: string };
  /** It is removed when the run ends. */
  readonly temporary: boolean;
}

/** A port of the host that leads into the guest, on its ssh card. */
export type ForwardSpec = Forward;

/** A card of a VM in a network of its Transientfile. */
export interface NetworkCard {
  readonly name: string;
  /** Its IPv4 address, and how many bits of it the whole network shares. */
  readonly address: string;
  readonly prefix: number;
  /** Its hardware address, in small letters with colons. */
  readonly mac: string;
  /** All VMs of the network by their names, this one too. */
  readonly peers: readonly { readonly name: string; readonly address: string }[];
}

/** How far another VM must have come: booted, ready, or its command ended with 0. */
export interface Dependency {
  readonly vm: string;
  readonly until: 'started' | 'ready' | 'done';
}

/** How the VM ends: at once when nothing of it is kept, else by asking the guest and waiting. */
export type Ending = { readonly kind: 'at-once' } | { readonly kind: 'orderly'; readonly timeout: number };

/** One VM, final and read-only: nothing that a default could still fill, no relative path. */
export interface VmSpec {
  /** Its name in the file, or the one that the command line implies. */
  readonly name: string;
  /** What it is called while it runs. */
  readonly instance: string;
  readonly images: readonly [ImageNeed, ...ImageNeed[]];
  /** Missing for a stateless VM, of which nothing stays. */
  readonly state?: StateSpec;
  readonly copies: CopiesSpec;
  readonly shares: SharesSpec;
  readonly connection: Connection;
  readonly ssh?: SshSpec;
  readonly forwards: readonly ForwardSpec[];
  readonly machine: MachineSpec;
  /** In the order in which the VM names them. */
  readonly networks: readonly NetworkCard[];
  readonly ending: Ending;
  /** What other VMs must have come to before this one boots. */
  readonly dependsOn: readonly Dependency[];
  /** What shows that a guest which answers ssh is ready; time in seconds. */
  readonly readiness?: { readonly command: string; readonly timeout: number };
  /** Where this VM's disks, and those of others, are looked for when other processes ask for it. */
  readonly vmstore: string;
}
