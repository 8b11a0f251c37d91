import type { BuilderSpec, CopySpec } from '../config/copies.ts';
import type { MachineSpec } from '../config/machine.ts';
import type { SeededGuest } from '../config/seeded-guest.ts';
import type { SharesSpec } from '../config/shares.ts';
import type { ShutdownMode } from '../config/shutdown.ts';
import type { SshSpec } from '../config/ssh.ts';
import type { ForwardSpec, ImageNeed, NetworkCard } from '../config/vm-spec.ts';
import type { StepBase, StepId, VmStep } from './step-base.ts';

export type { StepId };

/** Retrieve an image into its backend. */
export interface RetrieveImage extends StepBase<'image.retrieve'> {
  readonly image: ImageNeed;
}

/** Pin the build of an image of the catalogue in a lock file. */
export interface ResolveImage extends StepBase<'image.resolve'> {
  /** Name in the catalogue. */
  readonly name: string;
  readonly architecture: string;
  readonly lockFile: string;
  /** Backend whose builds are preferred, unless the pin is updated to the newest one of the vendor. */
  readonly backend: string;
  readonly update: boolean;
  readonly allowUnverified: boolean;
}

/** Remove an image from its backend; refused while a stored VM is based on it, unless forced. */
export interface RemoveImage extends StepBase<'image.remove'> {
  readonly image: string;
  readonly backend: string;
  readonly vmstore: string;
  readonly force: boolean;
}

/** Create a standalone image from the first disk of a locked VM. */
export interface CommitImage extends VmStep<'image.commit'> {
  readonly image: string;
  readonly backend: string;
}

/** Name and store of a stored VM. */
interface InStore {
  readonly name: string;
  readonly vmstore: string;
}

/** Create a VM in the VM store: disks based on images, and the two texts of its configuration. */
export interface CreateVm extends VmStep<'vm.create'>, InStore {
  readonly images: readonly ImageNeed[];
  readonly config: string;
  readonly ours: string;
  /** Handling of an existing VM of that name. */
  readonly existing: 'refuse' | 'use';
  /** Whether its name is printed as the result. */
  readonly announce: boolean;
}

/** Lock a stored VM. `image` is the expected base of its first disk, if one was given. */
export interface LockVm extends VmStep<'vm.lock'>, InStore {
  readonly purpose: 'run' | 'commit' | 'copy';
  readonly image?: string;
}

/** Unlock the VM. */
export type UnlockVm = VmStep<'vm.unlock'>;

/** Ask the owner of a running VM to stop it, and wait for that. */
export interface StopVm extends StepBase<'vm.stop'>, InStore {
  /** All VMs stopped by the same command. */
  readonly together: readonly string[];
  readonly kill: boolean;
  /** Whether a VM that is not running or not stored is ignored. */
  readonly ifRunning: boolean;
}

/** Remove an unused VM from the VM store. */
export interface RemoveVm extends StepBase<'vm.remove'>, InStore {}

/** Create the keys of a VM and the disk from which cloud-init sets up its guest, unless that happened at an earlier boot. */
export interface CreateSeed extends VmStep<'seed.create'> {
  readonly user: string;
  readonly hostname: string;
  readonly guest: SeededGuest;
  /** Path of the user's own document. */
  readonly userData?: string;
  readonly cards: readonly SeedCard[];
  /** Whether its keys are kept with the locked VM. */
  readonly disks: 'snapshot' | 'stored';
}

/** Address of a card, which is identified by its MAC. */
export interface SeedCard extends Pick<NetworkCard, 'mac' | 'address' | 'prefix'> {
  readonly gateway?: string;
  readonly nameserver?: string;
}

/** Remove the seed of a VM from the run directory. */
export type RemoveSeed = VmStep<'seed.remove'>;

/** Start QEMU on images with a snapshot in memory, or on the disks of a locked VM. */
export interface BootMachine extends VmStep<'machine.boot'> {
  /** Name of the VM while it runs. */
  readonly instance: string;
  readonly images: readonly ImageNeed[];
  readonly disks: 'snapshot' | 'stored';
  /** VM store in which other processes look up the VM. */
  readonly vmstore: string;
  readonly machine: MachineSpec;
  /** Shared folders that are devices of the machine. */
  readonly shares?: Pick<SharesSpec, '9p' | 'virtiofs'>;
  readonly ssh?: SshSpec;
  readonly forwards: readonly ForwardSpec[];
  /** Its cards in open networks. */
  readonly networks: readonly Pick<NetworkCard, 'name' | 'mac'>[];
  /** Whether QEMU gets our terminal. */
  readonly console: boolean;
  /**
   * When the serial output is shown: until the guest is ready, on stderr (`boot`) or, preceding a console, on stdout
   * (`console`); or always, together with that of other guests.
   */
  readonly showSerial: 'never' | 'boot' | 'console' | 'always';
  /** File for the serial output; without one it is kept only during the run. */
  readonly serialLog?: string;
}

/** Open a network between VMs. */
export interface OpenNetwork extends StepBase<'network.open'> {
  readonly network: string;
  /** @asType integer */
  readonly prefix: number;
  /** All cards of the network. */
  readonly cards: readonly Pick<NetworkCard, 'mac' | 'address'>[];
}

/** Close a network after its last VM has stopped. */
export interface CloseNetwork extends StepBase<'network.close'> {
  readonly network: string;
}

/** Configure the addresses of a guest's cards, and the names of the other VMs in it. */
export interface JoinNetworks extends VmStep<'network.join'> {
  readonly ssh: SshSpec;
  readonly networks: readonly NetworkCard[];
}

/** Check that the host ports of VMs are free, before any of them boots. */
export interface CheckPorts extends StepBase<'machine.ports'> {
  readonly vms: readonly {
    readonly vm: string;
    readonly ssh?: SshSpec;
    readonly forwards: readonly ForwardSpec[];
  }[];
}

/** Boot the builder VM on the disks of a locked VM, and mount the guest's root in it. */
export interface BootBuilder extends VmStep<'builder.boot'> {
  /** Whether the disks are read-only. */
  readonly readOnly: boolean;
  /**
   * Number of copies to be made.
   * @asType integer
   */
  readonly copies: number;
  readonly builder: BuilderSpec;
}

/** Unmount the disks in the builder, and stop it. */
export type StopBuilder = VmStep<'builder.stop'>;

/** Copy between the host and a guest: on its disks in the builder, or over ssh while it runs. */
interface Copying extends CopySpec {
  readonly through: { readonly kind: 'builder' } | { readonly kind: 'ssh'; readonly ssh: SshSpec };
  /** Time limit in seconds. */
  readonly timeout?: number;
}

export interface CopyIn extends VmStep<'copy.in'>, Copying {}

export interface CopyOut extends VmStep<'copy.out'>, Copying {}

/** Prepare shared folders on the host: the directories and their servers. */
export interface ServeShares extends VmStep<'share.serve'> {
  readonly shares: SharesSpec;
}

/** Stop the servers of shared folders. */
export type WithdrawShares = VmStep<'share.withdraw'>;

/** Mount shared folders in the guest, in parallel. */
export interface MountShares extends VmStep<'share.mount'> {
  readonly ssh: SshSpec;
  readonly shares: SharesSpec;
  /** Whether the host port of the guest's ssh is closed after all folders have logged in. */
  readonly closesPort: boolean;
}

/** Flush the guest's writes to the host, and unmount the folders. */
export type UnmountShares = VmStep<'share.unmount'>;

/** Attach to a machine run by another process, through its port on 127.0.0.1. */
export interface AttachMachine extends VmStep<'machine.attach'> {
  /** @asType integer */
  readonly port: number;
  readonly qemu: ProcessFacts;
  /** Private key that its owner may have generated for the guest. */
  readonly loginKey: string;
  /** File with the host key of a guest that has a seed (sshd(8), known_hosts). */
  readonly knownHosts?: string | undefined;
  /** Socket of its owner's shared login, if the port is closed. */
  readonly sharedLogin?: string | undefined;
}

/** Identity of a process that is unique despite reuse of process IDs (host/process-identity.ts). */
export interface ProcessFacts {
  /** @asType integer */
  readonly pid: number;
  readonly started: number;
  readonly boot: string;
  readonly space: string;
}

/** Leave the terminal to QEMU until it exits. */
export type WatchConsole = VmStep<'machine.console'>;

/** Stop the machine and remove its files. */
export interface StopMachine extends VmStep<'machine.stop'> {
  readonly ending: ShutdownMode;
}

/** Keep services running until the user interrupts or all of them have ended. */
export interface HoldServices extends StepBase<'machine.hold'> {
  readonly vms: readonly string[];
}

/** Stop a VM that this process runs. */
export type EndSession = VmStep<'session.end'>;

/** Wait until the guest accepts an ssh login. */
export interface AwaitGuest extends VmStep<'guest.ready'> {
  readonly ssh: SshSpec;
  /** Whether sessions of the user's ssh program follow, sharing this login. */
  readonly forSession: boolean;
  /** Whether the host port of the guest's ssh is closed after the login. */
  readonly closesPort: boolean;
  /** Host folders writable through a well-known key that the guest keeps for the Python transient. */
  readonly exposed?: readonly string[];
}

/** Wait until cloud-init has ended in a guest that it sets up at this boot. */
export interface AwaitCloudInit extends VmStep<'guest.cloud-init'> {
  readonly ssh: SshSpec;
  /** Time limit in seconds. */
  readonly timeout: number;
}

/** Restore the replaced well-known keys of users on a disk mounted by the builder. */
export type RestoreKeys = VmStep<'keys.restore'>;

/** Retry a command in the guest until it exits with 0. */
export interface RunReadyCommand extends VmStep<'guest.ready-command'> {
  readonly ssh: SshSpec;
  readonly command: string;
  /** Time limit in seconds. */
  readonly timeout: number;
}

/** Close the login. */
export type LeaveGuest = VmStep<'guest.leave'>;

/** Run one command in the guest. `ownsTerminal`: our stdin is its stdin. */
export interface RunCommand extends VmStep<'guest.run'> {
  readonly ssh: SshSpec;
  readonly command: string;
  readonly ownsTerminal: boolean;
}

/** Open an interactive ssh session. */
export interface OpenConsole extends VmStep<'guest.console'> {
  readonly ssh: SshSpec;
}

export type Step =
  | ResolveImage
  | RetrieveImage
  | RemoveImage
  | CommitImage
  | CreateVm
  | LockVm
  | UnlockVm
  | StopVm
  | RemoveVm
  | BootBuilder
  | StopBuilder
  | CopyIn
  | CopyOut
  | ServeShares
  | WithdrawShares
  | MountShares
  | UnmountShares
  | OpenNetwork
  | CloseNetwork
  | JoinNetworks
  | CheckPorts
  | CreateSeed
  | RemoveSeed
  | BootMachine
  | AttachMachine
  | WatchConsole
  | StopMachine
  | HoldServices
  | EndSession
  | AwaitGuest
  | AwaitCloudInit
  | RestoreKeys
  | RunReadyCommand
  | LeaveGuest
  | RunCommand
  | OpenConsole;

export type StepKind = Step['kind'];
export type StepOf<K extends StepKind> = Extract<Step, { kind: K }>;

/** The JSON form of a plan. */
export interface PlanDocument extends Plan {
  /** Increased on incompatible changes. */
  readonly version: 1;
}

/** Steps to perform, as plain data. They are sorted topologically. */
export interface Plan {
  readonly steps: readonly Step[];
  /** Steps that own the terminal while they run. */
  readonly foreground: readonly StepId[];
  /** Steps whose exit code becomes that of the run; the first nonzero one counts. */
  readonly exitFrom: readonly StepId[];
  /** Whether a failure ends only the steps that need the failed one. */
  readonly keepGoing?: boolean;
  /** How many machines may boot at the same time, each from its boot step to the step by which it has come up. */
  readonly starts?: {
    /** @asType integer */
    readonly limit: number;
    readonly spans: readonly { from: StepId; to: StepId }[];
  };
}
