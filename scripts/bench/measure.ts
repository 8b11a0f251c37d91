import type { Row, Timed } from './row.ts';
import type { World } from './world.ts';

/** Milliseconds, of each run in order. */
export interface Measured {
  readonly row: Row;
  readonly ours: readonly number[];
  readonly reference: readonly number[];
}

/**
 * Measures a row: one run of each that does not count, then the two in turn, so that what slows the machine down for a
 * while slows both. Every second pair begins with the reference.
 */
export async function measure(row: Row, world: World, pairs: number, onPair: () => void): Promise<Measured> {
  const { ours, reference } = await row.prepare(world);
  try {
    return await measured(row, { ours, reference }, pairs, onPair);
  } finally {
    await row.end?.(world);
  }
}

async function measured(
  row: Row,
  { ours, reference }: { ours: Timed; reference: Timed },
  pairs: number,
  onPair: () => void,
): Promise<Measured> {
  await ours();
  await reference();
  const times = { ours: [] as number[], reference: [] as number[] };
  for (let pair = 0; pair < (row.pairs ?? pairs); pair++) {
    if (pair % 2 === 0) times.ours.push(await ours());
    times.reference.push(await reference());
    if (pair % 2 === 1) times.ours.push(await ours());
    onPair();
  }
  return { row, ...times };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = 0, high = 0] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
}
