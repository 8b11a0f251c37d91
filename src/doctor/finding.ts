/** `missing`: not found or unusable; `warning`: usable with limitations. */
export type State = 'ok' | 'warning' | 'missing';

/** Install commands, by distribution. */
export interface Remedies {
  readonly debian: string;
  readonly fedora: string;
  readonly arch: string;
}

/** Result of a check. */
export interface Seen {
  readonly state: State;
  /** The path or version found, or why it is not usable. */
  readonly found: string;
  /** Free space, in bytes. */
  readonly free?: number;
}

/** A requirement on the host, and how it is checked. */
export interface Check {
  readonly name: string;
  readonly purpose: string;
  /** `transient up` with a local image over ssh cannot run without it. */
  readonly needed: boolean;
  readonly get?: Remedies;
  /** Advice if no package helps. */
  readonly hint?: string;
  readonly look: (surroundings: HostEnvironment) => Promise<Seen>;
}

export type Finding = Omit<Check, 'look'> & Seen;

/** Environment and directories to check. */
export interface HostEnvironment {
  readonly environment: NodeJS.ProcessEnv;
  readonly backend: string;
  readonly vmstore: string;
}
