import { readFileSync, writeFileSync } from 'node:fs';
import { phasesPlot } from './phases-plot.ts';
import type { Span } from './phases.ts';
import type { Result } from './table.ts';
import { tableOf } from './table.ts';

/** Results of one run of the benchmark. */
export interface BenchRun {
  /** The day, as ISO date. */
  readonly measured: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly results: readonly Result[];
}

const PAGE = 'docs/benchmarks.md';

/** Puts a run into the documentation: its table between the marks of the page, its numbers and its plot beside it. */
export function writeDocs(run: BenchRun, phases: readonly Span[]): void {
  const page = readFileSync(PAGE, 'utf8');
  const facts = Object.entries(run.machine).map(([name, value]) => `${name} ${value}`);
  const text = `Measured on ${run.measured}: ${facts.join(', ')}.\n\n${tableOf(run.results)}`;
  writeFileSync(PAGE, page.replace(/(<!-- table -->\n)[\s\S]*(\n<!-- end -->)/, `$1\n${text}\n$2`));
  writeFileSync('docs/benchmarks.json', `${JSON.stringify({ ...run, phases }, undefined, 2)}\n`);
  writeFileSync('docs/phases.svg', phasesPlot(phases));
}
