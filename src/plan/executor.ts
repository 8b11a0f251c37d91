import type { Duplex } from 'node:stream';
import type { Problem } from '../problem.ts';
import type { StepKind, StepOf } from './step.ts';

/** Progress of a long operation; amounts in bytes. */
export interface Progress {
  readonly done: number;
  readonly total?: number;
  /** Current phase, if a step has several. */
  readonly activity?: string;
}

/** Latest line of output of something that a step waits for. */
export interface LatestLine {
  readonly latest: string;
}

/** Context given to an executor by the runner. */
export interface StepContext {
  /** Aborted when the step must end: by the first failure or signal; for an undo step only by the second. */
  readonly signal: AbortSignal;
  /** Reports progress; a latest line is shown on a live screen only. */
  readonly progress: (progress: Progress | LatestLine) => void;
  /** Prints a line that stays on the screen. */
  readonly note: (line: string) => void;
  readonly warn: (problem: Problem) => void;
  /** Receives a copy of the output of a guest command, if it is recorded. */
  readonly heard?: (stream: OutputStream, bytes: Buffer) => void;
}

export type OutputStream = 'stdout' | 'stderr';

/** Result of a successful step that has one. */
export interface StepResult {
  /** Exit code of its command. */
  readonly exitCode?: number;
  /** The machine shut down by itself; dependent steps are skipped without a failure. */
  readonly ended?: boolean;
  /** Line for stdout. */
  readonly output?: string;
}

// most executors return nothing, and need not say so
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type
export type OptionalResult = StepResult | void;

export type Executor<K extends StepKind> = (step: StepOf<K>, context: StepContext) => Promise<OptionalResult>;

/** One executor for each kind of step. */
export type Executors = { readonly [K in StepKind]: Executor<K> };

/** Dependencies of executors on the process they run in. */
export interface ProcessParts {
  /** The private directory of this process. */
  readonly runDirectory: string;
  readonly outputOf: OutputOf;
  /** Reports a problem that belongs to no step. */
  readonly warn: (problem: Problem) => void;
}

export type CreateExecutors = (process: ProcessParts) => Executors;

/** How a machine ended: in order, or with QEMU's error message. */
export interface MachineEnd {
  readonly problem: Problem | undefined;
}

/** Last lines of a serial console, and how many seconds ago they were written. */
export interface SerialTail {
  readonly lines: readonly string[];
  readonly silence: number;
}

/** Event of a guest that ends all work in it. */
export type GuestFate = 'panicked' | 'rebooted' | 'powered off';

/** QEMU's view of the network between this host and a guest; available only to the owner of that QEMU. */
export interface GuestNetwork {
  /** Whether the guest has brought its ssh card up. */
  readonly isUp: () => Promise<boolean | 'unknown'>;
  /** Whether the guest has answered the connection to its ssh port that was made last. */
  readonly isAnswered: () => Promise<boolean | 'unknown'>;
}

/** Keys of a guest that is set up by cloud-init. */
export interface Seed {
  /** Path of the private key of its login. */
  readonly loginKey: string;
  /** Path of the file with its host key (sshd(8), known_hosts). */
  readonly knownHosts: string;
  /** Path of the disk image for cloud-init; undefined for a guest that was set up at an earlier boot. */
  readonly image: string | undefined;
  /** Records that the guest has been set up, so that its next boot needs no image. */
  readonly applied: () => Promise<void>;
}

/** Finds the seed of a VM, if it has one. */
export type FindSeed = (vm: string) => Seed | undefined;

/** One live QEMU. */
export interface Machine {
  readonly pid: number;
  /** Port of 127.0.0.1 forwarded to the guest's ssh. */
  readonly sshPort: number | undefined;
  /** Directory of this machine's own files, private and removed when it is stopped. */
  readonly directory: string;
  /** Path of the private key generated for the guest, if any. */
  readonly loginKey: string;
  /** Its host key, if that is known from a seed. */
  readonly seed?: Pick<Seed, 'knownHosts' | 'image' | 'applied'>;
  /** Socket of the ssh login shared by its owner's sessions; undefined if there is none. */
  readonly sharedLogin?: string;
  /** Closes the guest's ssh port to new connections, and publishes the login to share to other processes. */
  readonly closePort: (sharedLogin: string) => Promise<void>;
  readonly ended: Promise<MachineEnd>;
  /** Last lines of the serial console so far; `all` reaches back to the beginning of a boot. */
  readonly serialTail: (extent?: 'all') => Promise<SerialTail>;
  /** Stops showing the serial output to the user. */
  readonly hideSerial: () => void;
  /** Whether the guest runs under software emulation, which is slow. */
  readonly isEmulated: boolean;
  readonly network: GuestNetwork;
  /** Subscribes to events of the guest, including an earlier panic; returns a function to unsubscribe. */
  readonly onFate: (listener: (fate: GuestFate) => void) => () => void;
  /** Marks the guest as unresponsive: it is not asked to shut down when it is stopped. */
  readonly giveUp: () => void;
  readonly isGivenUp: () => boolean;
}

/** Sink for the output of a guest; never blocks the guest. */
export interface GuestOutput {
  readonly stdout: (chunk: Buffer) => void;
  readonly stderr: (chunk: Buffer) => void;
  /** Ends the output: flushes an incomplete line. */
  readonly end: () => void;
}

/** Returns the output sink of a VM. */
export type OutputOf = (vm: string) => GuestOutput;

/** Finds the running machine of a VM. */
export type FindMachine = (vm: string) => Machine;

/** Connects a VM to an open network through a socket of its QEMU. */
export type PlugIn = (network: string, vm: string, channel: Duplex) => void;

/** Returns the disk files of a locked VM, the first disk first. */
export type FindDisks = (vm: string) => readonly string[];
