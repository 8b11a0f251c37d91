import { expect, test } from 'vitest';
import { TABLE } from './table.ts';

/** That every kind has a row is for the compiler to see: `TABLE` is a record of all of them. */
test('a kind of step that may wait has scenarios, and any other says why it does not', () => {
  const rows = Object.values(TABLE);
  expect(rows.every((row) => row.length > 0)).toBe(true);
  expect(rows.filter((row) => typeof row !== 'string').length).toBeGreaterThan(15);
});
