import { availableParallelism, cpus, release } from 'node:os';
import { execFileSync } from 'node:child_process';
import { markdownTable } from '../markdown.ts';
import type { Measured } from './measure.ts';
import { median } from './measure.ts';

/** One row of what was measured; seconds. */
export interface Result {
  readonly what: string;
  readonly against: string;
  readonly pairs: number;
  readonly ours: number;
  readonly reference: number;
  /** The median of the ratios pair by pair. */
  readonly ratio: number;
  readonly goal: string;
  readonly met: boolean;
}

export function resultOf({ row, ours, reference }: Measured): Result {
  const pairs = ours.map((value, pair) => [value, reference[pair] ?? 1] as const);
  const ratios = pairs.map(([value, other]) => value / other);
  // of how far each is beyond its limit, so that what is said agrees with the ratio
  const excess = pairs.map(([value, other]) => value - row.limit(other));
  return {
    what: row.what,
    against: row.against,
    pairs: ours.length,
    ours: seconds(median(ours)),
    reference: seconds(median(reference)),
    ratio: Math.round(median(ratios) * 100) / 100,
    goal: row.goal,
    met: median(excess) <= 0,
  };
}

function seconds(milliseconds: number): number {
  return Math.round(milliseconds) / 1000;
}

const HEADS = ['what', 'against', 'ours', 'reference', 'ratio', 'goal', 'met'];

/** As Markdown, which is a table for people too. */
export function tableOf(results: readonly Result[]): string {
  const rows = results.map((result) => [
    result.what,
    `\`${result.against}\``.replace(/^`(?!node|curl)(.*)`$/, '$1'),
    `${result.ours.toFixed(2)} s`,
    `${result.reference.toFixed(2)} s`,
    `${result.ratio.toFixed(2)} ×`,
    result.goal,
    result.met ? 'yes' : 'no',
  ]);
  return markdownTable([HEADS, ...rows]);
}

/** Description of the host. */
export function machine(): Record<string, string | number> {
  const qemu = execFileSync('qemu-system-x86_64', ['--version'], { encoding: 'utf8' });
  return {
    processors: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    kernel: release(),
    node: process.version,
    qemu: /version (\S+)/.exec(qemu)?.[1] ?? 'unknown',
    acceleration: 'software emulation (TCG)',
  };
}
