import type { ValueType } from './values/value-type.ts';

/** Commands and tables in which an option can be set. */
export type Scope =
  'everywhere' | 'run' | 'create' | 'start' | 'ssh' | 'cp' | 'commit' | 'up' | 'plan' | 'file';

/** How a later layer combines with an earlier one: a scalar is replaced, a list is appended to. */
export type Merge = 'replace' | 'append';

/** Declaration of one option: the type of its value, how it is set, and its documentation. */
export interface OptionDef<T = unknown> {
  /** Type of the value; for a list, of one item. */
  readonly type: ValueType<T>;
  readonly merge: Merge;
  readonly scopes: readonly Scope[];
  /** Help in one sentence; it is the flag's help, the schema's description and the reference's text. */
  readonly help: string;
  /** Name of the value in help (`--ssh-port PORT`); an option without one is a switch. */
  readonly placeholder?: string;
  /** A second flag: one letter with one dash, or a word with two. */
  readonly alias?: string;
  readonly default?: NoInfer<T>;
  /** Environment variable that sets it. */
  readonly env?: string;
  /** The flag may be repeated, and the value is the number of times it was given. */
  readonly counted?: boolean;
  /** The Python transient has no such option, so the configuration it reads must not contain it. */
  readonly unknownToPython?: boolean;
  /** Example value as TOML, for the example Transientfile. */
  readonly example: string;
}

/** Declares an option that holds one value. */
export function option<T>(def: Omit<OptionDef<T>, 'merge'>): OptionDef<T> & { readonly merge: 'replace' } {
  return { ...def, merge: 'replace' };
}

/** Declares an option that holds a list of values, appended to by each layer. */
export function list<T>(def: Omit<OptionDef<T>, 'merge'>): OptionDef<T> & { readonly merge: 'append' } {
  return { ...def, merge: 'append' };
}
