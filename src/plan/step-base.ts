/** ID of a step within its plan: `VM/what` or `image/NAME`. */
export type StepId = string;

/**
 * Part of a VM's life that a step belongs to: before its boot; its boot; until it is ready for its dependents; its user's
 * command, console or service; and from then on, when results are saved and resources released.
 */
export type StepPhase = 'prepare' | 'boot' | 'ready' | 'user' | 'stop';

/** A fact about a step: a text, which may be about a path of the host. */
export type Fact = string | { readonly text: string; readonly path: string };

/** Fields of every step. */
export interface StepBase<K extends string> {
  readonly id: StepId;
  readonly kind: K;
  readonly phase: StepPhase;
  /** The VM it belongs to; a step without one serves several. */
  readonly vm?: string;
  readonly title: string;
  /** Facts that a plan shows beside the title. */
  readonly detail: readonly Fact[];
  /** Steps that must be done before this one starts; if one is not, this one is skipped. */
  readonly needs: readonly StepId[];
  /** Steps that must have settled, however they ended, before this one starts. */
  readonly after: readonly StepId[];
  /** Programs of the host that it runs, by name or path, as far as they are known in advance. */
  readonly programs: readonly string[];
  /** Directory that it fills, and the option by which the user chooses that. */
  readonly writesTo?: { readonly directory: string; readonly option: 'image-backend' | 'vmstore' };
  /** The step whose acquisition this one releases: it runs exactly if that one started. */
  readonly undoes?: StepId;
  /** Whether it runs even if the run ends early, provided that the steps it needs are done. */
  readonly always?: boolean;
}

/**
 * Fields of a step that belongs to one VM.
 * @internal so that the schema shows each kind under its own name alone
 */
export interface VmStep<K extends string> extends StepBase<K> {
  readonly vm: string;
}
