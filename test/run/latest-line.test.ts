import { expect, test } from 'vitest';
import { latestLine } from '../../src/run/latest-line.ts';

test.each([
  ['a line that fits', '[    1.2] sda: sda1', 20, 80, '[    1.2] sda: sda1'],
  ['a line that is too long', 'a line of the console that is too long', 20, 50, 'a line of the conso…'],
  ['control characters', 'red \u001b[31m\tkernel', 20, 80, String.raw`red \x1b[31m kernel`],
  ['a screen without room', 'a line', 70, 80, ''],
] as const)('%s', (_name, line, used, columns, shown) => {
  expect(latestLine(line, used, columns)).toBe(shown);
});
