import { styleText } from 'node:util';
import { withPasswordsStarred } from '../options/password.ts';
import type { Problem, Where } from '../problem.ts';
import { visible } from '../control-characters.ts';

type Severity = 'error' | 'warning';

/** Formats a problem as lines of text: place, message, source line, details, hint. */
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

/** Most characters shown of a source line, around the position. */
const WIDEST = 160;

/** The source line with the position underlined. */
function excerpt(where: Where | undefined): string[] {
  if (where?.kind !== 'file' || !where.position?.text) return [];
  const { line, column, length, text } = where.position;
  const masked = withPasswordsStarred(text).replaceAll('\t', ' ');
  const first = masked.length > WIDEST ? Math.max(0, column - 1 - WIDEST / 2) : 0;
  const shown = masked.slice(first, first + WIDEST);
  const [before, after] = [first > 0 ? '…' : '', first + WIDEST < masked.length ? '…' : ''];
  const number = String(line);
  const at = column - 1 - first;
  const underline = '~'.repeat(Math.max(1, Math.min(length, shown.length - at)));
  return [
    `  ${number} │ ${before}${shown}${after}`,
    `  ${' '.repeat(number.length)} │ ${' '.repeat(before.length + at)}${underline}`,
  ];
}
