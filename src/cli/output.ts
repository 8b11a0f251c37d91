import { exitCodeOf, looksOf, reportProblems, type Looks } from './report.ts';
import type { Problem } from '../problem.ts';
import { problemOf } from '../problem.ts';
import { writeOut } from '../host/standard-streams.ts';

/** Prints a result to stdout; returns exit code 0. */
export function print(text: string): number {
  writeOut(text);
  return 0;
}

/** Prints a line to stderr; returns exit code 0. */
export function printNote(line: string): number {
  process.stderr.write(`${line}\n`);
  return 0;
}

/** Prints problems that prevent a run; returns the exit code. */
export function printProblems(problems: readonly Problem[], looks: Looks): number {
  reportProblems(problems, looks);
  return exitCodeOf(problems);
}

/** Prints an unexpected error; returns exit code 1. */
export function reportCrash(error: unknown): number {
  reportProblems([problemOf(error)], looksOf(process.stderr, process.env));
  return 1;
}
