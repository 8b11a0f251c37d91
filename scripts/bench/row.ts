import type { World } from './world.ts';

/** A whole command, timed; rejects where it fails. Milliseconds. */
export type Timed = () => Promise<number>;

/** One line of the table: what we do, and what it is held against. */
export interface Row {
  readonly what: string;
  readonly against: string;
  /** How long ours may take where the reference takes `reference` milliseconds. */
  readonly limit: (reference: number) => number;
  /** The same in words. */
  readonly goal: string;
  /** Pairs that are measured, where not as many as of the other rows: a quick command wants more. */
  readonly pairs?: number;
  readonly prepare: (world: World) => Promise<{ ours: Timed; reference: Timed }>;
  /** Ends what was prepared, where that runs on. */
  readonly end?: (world: World) => Promise<void>;
}

export function times(factor: number, extra = 0): Pick<Row, 'limit' | 'goal'> {
  const seconds = extra === 0 ? '' : ` + ${extra / 1000} s`;
  return { limit: (reference) => reference * factor + extra, goal: `≤ ${factor} ×${seconds}` };
}
