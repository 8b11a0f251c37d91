import type { Duplex } from 'node:stream';
import type { Problem } from '../problem.ts';
import type { StepKind, StepOf } from './step.ts';

/** How far a long piece of work is; amounts in bytes. */
export interface Progress {
  readonly done: number;
  readonly total?: number;
  /** What is being done, where a step has several phases. */
  readonly phase?: string;
}

/** What the runner gives to an executor besides the step. */
export interface StepContext {
  /** Aborted when the step must end: by the first failure or signal; for an undo step only by the second. */
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
  /** A line that stays on the screen. */
  readonly note: (line: string) => void;
  readonly warn: (problem: Problem) => void;
  /** Hears what a command in a guest writes, where somebody keeps it, besides its being passed on. */
  readonly heard?: (stream: OutputStream, bytes: Buffer) => void;
}

export type OutputStream = 'stdout' | 'stderr';

/** What a step that went well has to say: the exit code of what ran in it, or that there was nothing left to do. */
export interface StepResult {
  readonly exitCode?: number;
  /** The machine ended by itself and in order; what needs it is passed over without a failure. */
  readonly ended?: boolean;
  /** What the user asked to be told: a line for stdout. */
  readonly said?: string;
}

export type Executor<K extends StepKind> = (
  step: StepOf<K>,
  context: StepContext,
) => Promise<StepResult | undefined>;

/** One executor for each kind of step. */
export type Executors = { readonly [K in StepKind]: Executor<K> };

/** How a machine came to its end: in order, or with what went wrong in QEMU's own words. */
export interface MachineEnd {
  readonly problem: Problem | undefined;
}

/** The end of what a serial console said, and how many seconds ago that was. */
export interface SerialTail {
  readonly lines: readonly string[];
  readonly silence: number;
}

/** What a guest does that ends whatever was being done in it. */
export type GuestFate = 'panicked' | 'rebooted' | 'powered off';

/** What QEMU knows of the network between this host and a guest; only the owner of that QEMU can ask. */
export interface GuestNetwork {
  /** Whether the guest has brought its ssh card up. */
  readonly isUp: () => Promise<boolean | 'unknown'>;
  /** Whether the guest has answered the connection to its ssh port that was made last. */
  readonly isAnswered: () => Promise<boolean | 'unknown'>;
}

/** One live QEMU. */
export interface Machine {
  readonly pid: number;
  /** Port of 127.0.0.1 that leads to the guest's ssh. */
  readonly sshPort: number | undefined;
  /** Directory of this machine's own files, private and removed when it is stopped. */
  readonly directory: string;
  /** Where the private key is that the guest was given, if it was. */
  readonly loginKey: string;
  /** Where the ssh program finds the login that the sessions of its owner share; undefined where that has none. */
  readonly sharedLogin?: string;
  /** Lets no further connection to the guest's ssh in, and tells other processes of the login that they can share. */
  readonly closePort: (sharedLogin: string) => Promise<void>;
  readonly ended: Promise<MachineEnd>;
  /** The end of what the serial console said so far. */
  readonly serialTail: () => Promise<SerialTail>;
  /** Stops showing the serial output to the user. */
  readonly hideSerial: () => void;
  /** Whether the guest runs under software emulation, where everything takes its time. */
  readonly isEmulated: boolean;
  readonly network: GuestNetwork;
  /** Calls back with what the guest does from now on, and with a panic that has been; returns how that is ended. */
  readonly onFate: (listener: (fate: GuestFate) => void) => () => void;
  /** The guest does not answer: it is asked nothing more, and is not waited for when it is stopped. */
  readonly giveUp: () => void;
  readonly isGivenUp: () => boolean;
}

/** Where the output of a guest goes; it never blocks the guest. */
export interface GuestOutput {
  readonly stdout: (chunk: Buffer) => void;
  readonly stderr: (chunk: Buffer) => void;
  /** Nothing more comes: what is left of a line is shown. */
  readonly end: () => void;
}

/** Finds where the output of a VM goes. */
export type OutputOf = (vm: string) => GuestOutput;

/** Finds the running machine of a VM. */
export type FindMachine = (vm: string) => Machine;

/** Joins a VM to a network that is open: what QEMU sends and takes on a socket of its own. */
export type PlugIn = (network: string, vm: string, channel: Duplex) => void;

/** Finds the disk files of a VM that we hold, the first one first. */
export type FindDisks = (vm: string) => readonly string[];
