import type {
  BuilderSpec,
  CopySpec,
  Ending,
  ForwardSpec,
  ImageNeed,
  MachineSpec,
  NetworkCard,
  SharesSpec,
  SshSpec,
} from '../config/vm-spec.ts';

/** Names a step within its plan: `VM/what` or `image/NAME`. */
export type StepId = string;

/** What every step has. */
interface StepBase<K extends string> {
  readonly id: StepId;
  readonly kind: K;
  /** The VM it belongs to; steps without one serve several. */
  readonly vm?: string;
  readonly title: string;
  /** Steps that must be done before this one starts; if one is not, this one is skipped. */
  readonly needs: readonly StepId[];
  /** Steps that must have settled, however they ended, before this one starts. */
  readonly after: readonly StepId[];
  /** The step whose acquisition this one gives back: it runs exactly when that one began. */
  readonly undoes?: StepId;
  /** It runs also when the run ends early, if what it needs is done. */
  readonly always?: boolean;
}

/** Have an image in its backend. */
export interface RetrieveImage extends StepBase<'image.retrieve'> {
  readonly image: ImageNeed;
}

/** Take an image out of its backend; refused while a VM of the store is an overlay of it, unless forced. */
export interface RemoveImage extends StepBase<'image.remove'> {
  readonly image: string;
  readonly backend: string;
  readonly vmstore: string;
  readonly force: boolean;
}

/** Make an image of the first disk of a VM that we hold, without what it is based on. */
export interface CommitImage extends StepBase<'image.commit'> {
  readonly vm: string;
  readonly image: string;
  readonly backend: string;
}

/** Where a VM has its place in a VM store. */
interface InStore {
  readonly name: string;
  readonly vmstore: string;
}

/** Give a VM its place in the VM store: disks over images, and the two texts of its configuration. */
export interface CreateVm extends StepBase<'vm.create'>, InStore {
  readonly vm: string;
  readonly images: readonly ImageNeed[];
  readonly config: string;
  readonly ours: string;
  /** What is made of a VM that exists by that name. */
  readonly existing: 'refuse' | 'use';
  /** Tell its name as the result. */
  readonly announce: boolean;
}

/** Have a VM of the store for ourselves. `image` is what its first disk should be based on, where that was said. */
export interface LockVm extends StepBase<'vm.lock'>, InStore {
  readonly vm: string;
  readonly purpose: 'run' | 'commit' | 'copy';
  readonly image?: string;
}

/** Leave the VM to others. */
export interface UnlockVm extends StepBase<'vm.unlock'> {
  readonly vm: string;
}

/** Have the owner of a running VM end it, and wait until it has. */
export interface StopVm extends StepBase<'vm.stop'>, InStore {
  /** All that the same command ends. */
  readonly together: readonly string[];
  readonly kill: boolean;
  /** One that does not run, or has nothing in the store, is left alone. */
  readonly ifRunning: boolean;
}

/** Remove a VM that nobody uses from the VM store. */
export interface RemoveVm extends StepBase<'vm.remove'>, InStore {}

/** Start QEMU on the images, its writes going to a snapshot in memory, or on the disks of a VM that we hold. */
export interface BootMachine extends StepBase<'machine.boot'> {
  readonly vm: string;
  /** What it is called while it runs. */
  readonly instance: string;
  readonly images: readonly ImageNeed[];
  readonly disks: 'snapshot' | 'stored';
  /** The store in which other processes find it. */
  readonly vmstore: string;
  readonly machine: MachineSpec;
  /** Shared folders that are devices of the machine. */
  readonly shares?: Pick<SharesSpec, '9p' | 'virtiofs'>;
  readonly ssh?: SshSpec;
  readonly forwards: readonly ForwardSpec[];
  /** Its cards in networks that are open. */
  readonly networks: readonly Pick<NetworkCard, 'name' | 'mac'>[];
  /** QEMU gets our terminal. */
  readonly console: boolean;
  /**
   * Whether the serial output is shown: until the guest is ready, on stderr (`boot`) or, as the beginning of a console that
   * follows, on stdout (`console`); or with that of other guests all the time.
   */
  readonly showSerial: 'never' | 'boot' | 'console' | 'always';
  /** The file that keeps the serial output; without one it is kept for the run only. */
  readonly serialLog?: string;
}

/** Open a network between VMs. */
export interface OpenNetwork extends StepBase<'network.open'> {
  readonly network: string;
  readonly prefix: number;
  /** Every card that can be in it. */
  readonly cards: readonly Pick<NetworkCard, 'mac' | 'address'>[];
}

/** Give up a network that no VM uses any longer. */
export interface CloseNetwork extends StepBase<'network.close'> {
  readonly network: string;
}

/** Have a guest's cards up with their addresses, and the names of the other VMs known in it. */
export interface JoinNetworks extends StepBase<'network.join'> {
  readonly vm: string;
  readonly ssh: SshSpec;
  readonly networks: readonly NetworkCard[];
}

/** See that the ports of the host which VMs are to have are free, before any of them boots. */
export interface CheckPorts extends StepBase<'machine.ports'> {
  readonly vms: readonly {
    readonly vm: string;
    readonly ssh?: SshSpec;
    readonly forwards: readonly ForwardSpec[];
  }[];
}

/** Boot the builder VM on the disks of a VM that we hold, and mount the guest's root in it. */
export interface BootBuilder extends StepBase<'builder.boot'> {
  readonly vm: string;
  /** Nothing is written to the disks. */
  readonly readOnly: boolean;
  /** How many copies it is for. */
  readonly copies: number;
  readonly builder: BuilderSpec;
}

/** Unmount what the builder has mounted, and end it. */
export interface StopBuilder extends StepBase<'builder.stop'> {
  readonly vm: string;
}

/** Copy between the host and a guest: on its disks in the builder, or over ssh while it runs. */
interface Copying extends CopySpec {
  readonly vm: string;
  readonly through: { readonly kind: 'builder' } | { readonly kind: 'ssh'; readonly ssh: SshSpec };
  /** Seconds that it may take. */
  readonly timeout?: number;
}

export interface CopyIn extends StepBase<'copy.in'>, Copying {
  readonly vm: string;
}

export interface CopyOut extends StepBase<'copy.out'>, Copying {
  readonly vm: string;
}

/** Have on the host what shared folders need: the directories, and what serves them. */
export interface ServeShares extends StepBase<'share.serve'> {
  readonly vm: string;
  readonly shares: SharesSpec;
}

/** End what served shared folders. */
export interface WithdrawShares extends StepBase<'share.withdraw'> {
  readonly vm: string;
}

/** Have shared folders in the guest, all at the same time. */
export interface MountShares extends StepBase<'share.mount'> {
  readonly vm: string;
  readonly ssh: SshSpec;
  readonly shares: SharesSpec;
  /** The same as of {@link AwaitGuest}, once all folders have logged in. */
  readonly closesPort?: true;
}

/** Have what the guest wrote on the host, and take the folders out of the guest. */
export interface UnmountShares extends StepBase<'share.unmount'> {
  readonly vm: string;
}

/** Reach a machine that another process runs, by its port of 127.0.0.1. */
export interface AttachMachine extends StepBase<'machine.attach'> {
  readonly vm: string;
  readonly port: number;
  readonly qemu: ProcessFacts;
  /** The private key that its owner may have given to the guest. */
  readonly loginKey: string;
  /** The socket of its owner's login, where there is no other way in. */
  readonly sharedLogin?: string | undefined;
}

/** One process for good: its number, and what tells it from another that gets the same one (host/process-identity.ts). */
export interface ProcessFacts {
  readonly pid: number;
  readonly started: number;
  readonly boot: string;
  readonly space: string;
}

/** Leave the terminal to QEMU until it exits. */
export interface WatchConsole extends StepBase<'machine.console'> {
  readonly vm: string;
}

/** Stop the machine and remove what it left. */
export interface StopMachine extends StepBase<'machine.stop'> {
  readonly vm: string;
  readonly ending: Ending;
}

/** Keep services running until the user interrupts or all of them have ended. */
export interface HoldServices extends StepBase<'machine.hold'> {
  readonly vms: readonly string[];
}

/** Have a VM that this process has been running come to its end. */
export interface EndSession extends StepBase<'session.end'> {
  readonly vm: string;
}

/** Wait until the guest accepts an ssh login. */
export interface AwaitGuest extends StepBase<'guest.ready'> {
  readonly vm: string;
  readonly ssh: SshSpec;
  /** A session of the user's ssh program follows, and shares this login. */
  readonly forSession: boolean;
  /** Once logged in, nobody else is to reach the guest's ssh by the port of the host. */
  readonly closesPort?: true;
  /** Folders of the host that anybody can write to who has a well-known key, where the guest keeps that for the Python. */
  readonly exposed?: readonly string[];
}

/** Give the users of a disk, which the builder has mounted, the well-known keys back that were replaced. */
export interface RestoreKeys extends StepBase<'keys.restore'> {
  readonly vm: string;
}

/** Try a command in the guest until it exits with 0. */
export interface RunReadyCommand extends StepBase<'guest.ready-command'> {
  readonly vm: string;
  readonly ssh: SshSpec;
  readonly command: string;
  /** Seconds. */
  readonly timeout: number;
}

/** Give up what a login holds open. */
export interface LeaveGuest extends StepBase<'guest.leave'> {
  readonly vm: string;
}

/** Run one command in the guest. `ownsTerminal`: our stdin is its stdin. */
export interface RunCommand extends StepBase<'guest.run'> {
  readonly vm: string;
  readonly ssh: SshSpec;
  readonly command: string;
  readonly ownsTerminal: boolean;
}

/** Open an interactive ssh session. */
export interface OpenConsole extends StepBase<'guest.console'> {
  readonly vm: string;
  readonly ssh: SshSpec;
}

export type Step =
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
  | BootMachine
  | AttachMachine
  | WatchConsole
  | StopMachine
  | HoldServices
  | EndSession
  | AwaitGuest
  | RestoreKeys
  | RunReadyCommand
  | LeaveGuest
  | RunCommand
  | OpenConsole;

export type StepKind = Step['kind'];
export type StepOf<K extends StepKind> = Extract<Step, { kind: K }>;

/** What will be done: inert and printable. Steps stand in an order in which each comes after what it waits for. */
export interface Plan {
  readonly steps: readonly Step[];
  /** Steps that own the terminal while they run. */
  readonly foreground: readonly StepId[];
  /** Steps whose exit code becomes ours; the first that is not 0 counts. */
  readonly exitFrom: readonly StepId[];
  /** A failure does not end what does not need the step that failed. */
  readonly keepGoing?: boolean;
  /** How many machines may be on their way at a time, each from a step that boots it to one by which it has come up. */
  readonly starts?: { readonly limit: number; readonly spans: readonly { from: StepId; to: StepId }[] };
}
