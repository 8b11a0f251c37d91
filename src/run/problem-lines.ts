import { styleText } from 'node:util';
import { withPasswordsStarred } from '../options/password.ts';
import type { Problem, Where } from '../problem.ts';
import { visible } from '../visible.ts';

type Severity = 'error' | 'warning';

/** A problem as the lines that a person reads: place, message, the line of the file, details, hint. */
export function problemLines(problem: Problem, severity: Severity, color: boolean): string[] {
  const style = (format: Parameters<typeof styleText>[0], text: string): string =>
    color ? styleText(format, text) : text;
  const place = placeOf(problem.where);
  const label = style(severity === 'error' ? 'red' : 'yellow', severity);
  return [
    `${visible(place)}${label}: ${visible(problem.message)}`,
    ...excerpt(problem.where).map((line) => style('dim', visible(line))),
    ...(problem.details ?? []).map((line) => `  ${visible(line)}`),
    ...(problem.hint ? [`  ${style('cyan', 'hint')}: ${visible(problem.hint)}`] : []),
  ];
}

function placeOf(where: Where | undefined): string {
  switch (where?.kind) {
    case 'file': {
      const { file, position } = where;
      return position ? `${file}:${position.line}:${position.column} ` : `${file} `;
    }
    case 'vm':
      return `${where.vm}: `;
    case 'env':
      return `${where.name}: `;
    case 'flag':
    case undefined:
      return '';
  }
}

/** The line of the file with the place underlined. */
function excerpt(where: Where | undefined): string[] {
  if (where?.kind !== 'file' || !where.position?.text) return [];
  const { line, column, length, text } = where.position;
  const shown = withPasswordsStarred(text).replaceAll('\t', ' ');
  const number = String(line);
  const underline = '~'.repeat(Math.max(1, Math.min(length, shown.length - column + 1)));
  return [`  ${number} │ ${shown}`, `  ${' '.repeat(number.length)} │ ${' '.repeat(column - 1)}${underline}`];
}
