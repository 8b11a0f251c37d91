import type { SerialTail } from './executor.ts';

/** Last serial lines as details of a problem, below a heading that `since` may extend; none if there are no lines. */
export function serialExcerpt({ lines }: Pick<SerialTail, 'lines'>, since = ''): readonly string[] {
  if (lines.length === 0) return [];
  return [`the last lines of its serial console${since}:`, ...lines.map((line) => `  ${line}`)];
}
