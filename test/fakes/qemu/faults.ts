/** Events in the life of a fake QEMU, in their usual order. */
export type Moment = 'start' | 'qmp' | 'banner' | 'login' | 'command' | 'powerdown' | 'signal' | 'end';

/** Faults, given as JSON in the environment variable `FAKE_QEMU`; none without it. */
export interface Faults {
  /** File that gets one line of JSON for each moment. */
  readonly log?: string;
  /** QEMU refuses its arguments. */
  readonly exitAtOnce?: { readonly code: number; readonly stderr: string };
  /** QEMU dies once this has happened. */
  readonly dieAfter?: Moment;
  /** The control connection says nothing. */
  readonly noQmp?: boolean;
  /** The control connection refuses this command. */
  readonly refuses?: string;
  /** The control connection is closed once it is ready, and QEMU runs on. */
  readonly leavesQmp?: boolean;
  /** Sends invalid Ethernet frames to its networks. */
  readonly noFrames?: boolean;
  /** The guest's port accepts connections and never answers, as slirp does for a guest that does not listen. */
  readonly noSsh?: boolean;
  /** The guest accepts connections to its ssh port, and its server never greets. */
  readonly silentSsh?: boolean;
  /** The control connection answers nothing once it is ready. */
  readonly silentQmp?: boolean;
  /** The control connection sends one line without an end once it is ready. */
  readonly endlessQmp?: boolean;
  /** A command in the guest that matches this (a regular expression) never does anything. */
  readonly hangs?: string;
  /** When a command in the guest matches this, the whole machine stands still, as by SIGSTOP. */
  readonly freezes?: string;
  /** The guest does this when a command has begun that says `fate`; its sessions hang. */
  readonly fate?: 'reboot' | 'panic' | 'panic-on-serial' | 'poweroff';
  /** Time until the guest's kernel panics, in milliseconds. */
  readonly panicsAfter?: number;
  /** Time that the guest takes to greet, in milliseconds. */
  readonly bannerDelay?: number;
  readonly refuseLogin?: boolean;
  /** The first logins are refused, as by a guest that still boots. */
  readonly refuseLoginTimes?: number;
  /** The guest does not react to the power button. */
  readonly ignorePowerdown?: boolean;
  /** QEMU does not react to SIGTERM. */
  readonly ignoreTerm?: boolean;
  /** A command never ends, because a disk cannot be written: QEMU tells so and stops the guest. */
  readonly ioError?: { readonly nospace: boolean };
  /** The guest lets in by this public key instead of Vagrant's. */
  readonly authorizedKey?: string;
  /** The guest has no cloud-init. */
  readonly ignoresSeed?: boolean;
  /** Further output of the guest on its serial console after the usual lines. */
  readonly serial?: string;
  /** Faults of a builder VM: no answer, too long an answer, or none to one of its requests. */
  readonly builder?:
    'silent' | 'endless' | 'hangs-at-mount' | 'hangs-at-ask' | 'hangs-at-take' | 'hangs-at-off';
  /** Faults of one machine only, by QEMU's `-name`. */
  readonly byName?: Readonly<Record<string, Faults>>;
}

/** One line of the log. */
export interface Entry {
  readonly moment: Moment;
  readonly time: number;
  readonly pid: number;
  readonly name: string;
  readonly argv?: readonly string[];
  /** Its TMPDIR. */
  readonly temporary?: string | undefined;
  readonly signal?: string;
  readonly command?: string;
}

/** The faults of the machine with this name. */
export function faultsOf(name: string, environment: NodeJS.ProcessEnv): Faults {
  const { byName = {}, ...common } = JSON.parse(environment['FAKE_QEMU'] ?? '{}') as Faults;
  return { ...common, ...byName[name] };
}
