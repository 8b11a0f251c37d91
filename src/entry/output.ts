import { exitCodeOf, looksOf, reportProblems, type Looks } from '../cli/report.ts';
import type { Problem } from '../problem.ts';
import { problemOf } from '../problem.ts';
import { writeOut } from './own-streams.ts';

/** A result: to stdout, as it is. */
export function print(text: string): number {
  writeOut(text);
  return 0;
}

/** A line beside a result. */
export function printNote(line: string): number {
  process.stderr.write(`${line}\n`);
  return 0;
}

/** What keeps a run from beginning, and its exit code. */
export function printProblems(problems: readonly Problem[], looks: Looks): number {
  reportProblems(problems, looks);
  return exitCodeOf(problems);
}

/** What nobody has caught, and its exit code. */
export function reportCrash(error: unknown): number {
  reportProblems([problemOf(error)], looksOf(process.stderr, process.env));
  return 1;
}
