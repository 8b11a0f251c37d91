import { exitCodeOf, reportProblems, type Looks } from '../cli/report.ts';
import type { Problem } from '../problem.ts';

/** A result: to stdout, as it is. */
export function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

/** A line beside a result. */
export function note(line: string): number {
  process.stderr.write(`${line}\n`);
  return 0;
}

/** What keeps a run from beginning, and its exit code. */
export function refuse(problems: readonly Problem[], looks: Looks): number {
  reportProblems(problems, looks);
  return exitCodeOf(problems);
}
