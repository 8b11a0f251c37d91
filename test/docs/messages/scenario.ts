import type { Faults } from '../../fakes/qemu/faults.ts';
import type { Fixture } from './fixture.ts';

/** How one message is provoked, and what is to be said of it. */
export interface Scenario {
  /** The message in general: words in capitals stand for what differs. Scenarios that share one follow each other. */
  readonly form: string;
  /** Circumstances that the files and the command line do not show. */
  readonly when?: string;
  /** Files of the project, by their paths in it. */
  readonly files?: Readonly<Record<string, string>>;
  /** Command lines as they are typed there; the last one says the message. */
  readonly typed: readonly string[];
  /** Remedy, if the hint in the message is not sufficient. */
  readonly advice?: string;
  /** Faults of the VM. */
  readonly faults?: Faults;
  /** Makes everything else as it has to be. */
  readonly prepare?: (fixture: Fixture) => void | Promise<void>;
  /** It is typed at a terminal, where it is told that nothing follows (^D). */
  readonly onTerminal?: boolean;
  /** Several problems are told in the order in which they are met, which is open. */
  readonly inAnyOrder?: boolean;
}

/** Scenarios that belong together. */
export interface Topic {
  readonly title: string;
  readonly intro?: string;
  readonly scenarios: readonly Scenario[];
}

/** A scenario and what the program has said in it. */
export interface Provoked {
  readonly scenario: Scenario;
  /** The problems as they are told on stderr, each with all of its lines. */
  readonly problems: readonly string[];
  readonly exitCode: number | null;
}
