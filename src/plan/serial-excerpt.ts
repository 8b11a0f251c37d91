import type { SerialTail } from './executor.ts';

/** The end of a serial console as details of a problem, behind a heading that `since` may go on; none where it is empty. */
export function serialExcerpt({ lines }: Pick<SerialTail, 'lines'>, since = ''): readonly string[] {
  if (lines.length === 0) return [];
  return [`the last lines of its serial console${since}:`, ...lines.map((line) => `  ${line}`)];
}
