import type { Problem } from '../problem.ts';
import { problemLines } from '../run/problem-lines.ts';
import { writeToStdout } from '../host/standard-streams.ts';
import type { Outlet } from '../run/guest-output.ts';

/** Features of a terminal: cursor movement and colours. */
export interface TerminalFeatures {
  readonly live: boolean;
  readonly color: boolean;
}

/** Features of a stream; `NO_COLOR` (no-color.org) disables colours, a dumb terminal everything but plain lines. */
export function terminalFeatures(stream: { isTTY?: boolean }): TerminalFeatures {
  const terminal = stream.isTTY === true && process.env['TERM'] !== 'dumb';
  return { live: terminal, color: terminal && !process.env['NO_COLOR'] };
}

/** Output of a command: results to stdout, everything else to stderr. Streams are created on first use. */
export class Output {
  /** Whether trace lines are written to stderr, which a live view would overwrite. */
  readonly #isTraced: boolean;

  constructor(isTraced = false) {
    this.#isTraced = isTraced;
  }

  /** Features of stderr. */
  get terminal(): TerminalFeatures {
    const { live, color } = terminalFeatures(process.stderr);
    return { live: live && !this.#isTraced, color };
  }

  /** Prints a result; returns exit code 0. */
  print(text: string): number {
    writeToStdout(text);
    return 0;
  }

  /** Prints a line for the user; returns exit code 0. */
  note(line: string): number {
    process.stderr.write(`${line}\n`);
    return 0;
  }

  /** Prints a warning about a problem that does not stop the run. */
  warn(problem: Problem): void {
    this.#report([problem], 'warning');
  }

  /** Prints problems; returns the exit code if they prevent a run: 2 for a bad command line, 1 for anything else. */
  fail(problems: readonly Problem[]): number {
    this.#report(problems, 'error');
    return problems.some(({ where }) => where?.kind === 'flag') ? 2 : 1;
  }

  #report(problems: readonly Problem[], severity: 'error' | 'warning'): void {
    if (problems.length === 0) return;
    const { color } = this.terminal;
    problems.flatMap((problem) => problemLines(problem, severity, color)).forEach((line) => this.note(line));
  }
}

/** Adapts one of our streams for output of guests. */
export function outletOf(stream: NodeJS.WriteStream): Outlet {
  return { write: (bytes) => void stream.write(bytes), color: terminalFeatures(stream).color };
}
