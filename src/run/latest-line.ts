import { visible } from '../control-characters.ts';

/** Columns beside a title on a live screen: indentation, a spinner, and gaps between its parts. */
const MARGIN = 10;

/** Fewer columns than these tell nothing. */
const LEAST = 12;

/**
 * A line of output as it is shown behind a title of `used` columns on a screen: escaped, on one line; empty if too
 * little of it would fit.
 */
export function latestLine(line: string, used: number, columns: number): string {
  const room = columns - used - MARGIN;
  if (room < LEAST) return '';
  const characters = Array.from(visible(line.replaceAll('\t', ' ')));
  return characters.length <= room ? characters.join('') : `${characters.slice(0, room - 1).join('')}…`;
}
