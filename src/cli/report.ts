import { amount } from '../run/progress-text.ts';
import { problemLines } from '../run/problem-lines.ts';
import type { Problem } from '../problem.ts';

/** Whether a stream gets colours and cursor movements: a terminal that can, unless the user says no. */
export interface Looks {
  readonly live: boolean;
  readonly color: boolean;
}

/** What stderr can show; `NO_COLOR` (no-color.org) takes the colours, a dumb terminal everything but lines. */
export function looksOf(
  stream: { isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): Looks {
  const terminal = stream.isTTY === true && environment['TERM'] !== 'dumb';
  return { live: terminal, color: terminal && !environment['NO_COLOR'] };
}

/** Tells problems on stderr. */
export function reportProblems(problems: readonly Problem[], { color }: Looks): void {
  const lines = problems.flatMap((problem) => problemLines(problem, 'error', color));
  if (lines.length > 0) process.stderr.write(`${lines.join('\n')}\n`);
}

/** The exit code for a run that did not begin: 2 for a bad command line, 1 for anything else. */
export function exitCodeOf(problems: readonly Problem[]): number {
  return problems.some(({ where }) => where?.kind === 'flag') ? 2 : 1;
}

/** What `image ls` shows of an image; sizes in bytes, `added` as ISO time. */
interface ImageFacts {
  readonly name: string;
  readonly virtualSize: number;
  readonly realSize: number;
  readonly added: string;
}

/** The images of a backend as a table for people, or as JSON. */
export function imagesText(images: readonly ImageFacts[], json: boolean): string {
  if (json) return `${JSON.stringify(images, undefined, 2)}\n`;
  const rows = images.map(({ name, virtualSize, realSize, added }) => [
    name,
    amount(virtualSize),
    amount(realSize),
    added.replace('T', ' ').slice(0, 16),
  ]);
  return table([['NAME', 'VIRTUAL SIZE', 'REAL SIZE', 'ADDED (UTC)'], ...rows]);
}

/** Rows of words with aligned columns. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_word, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lines = rows.map((row) =>
    row
      .map((word, column) => word.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}
