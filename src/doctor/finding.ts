/** `missing`: it is not there or of no use; `warning`: what needs it works, but not as well as it could. */
export type State = 'ok' | 'warning' | 'missing';

/** Command lines that install something. */
export interface Remedies {
  readonly debian: string;
  readonly fedora: string;
  readonly arch: string;
}

/** What a look at the host has shown. */
export interface Seen {
  readonly state: State;
  /** What is there, or why that is not enough. */
  readonly found: string;
  /** Space that is left for us, in bytes. */
  readonly free?: number;
}

/** Something of the host that we use, and how it is looked at. */
export interface Check {
  readonly name: string;
  readonly purpose: string;
  /** `transient up` with a local image over ssh cannot run without it. */
  readonly needed: boolean;
  readonly get?: Remedies;
  /** What helps where no package does. */
  readonly hint?: string;
  readonly look: (surroundings: Surroundings) => Promise<Seen>;
}

export type Finding = Omit<Check, 'look'> & Seen;

/** Where the user keeps what. */
export interface Surroundings {
  readonly environment: NodeJS.ProcessEnv;
  readonly backend: string;
  readonly vmstore: string;
}
