import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareBuilds } from '../../../src/image/vendor/build-order.ts';

test.each([
  ['9.9-20260526', '9.10-20251120'],
  ['20260712-999', '20260712-2537'],
  ['20260601', '20260601.1'],
  ['3.22.9-r1', '3.22.10-r0'],
  ['3.22.1-r9', '3.22.1-r10'],
  ['1.6', '1.10'],
  ['20260915.99999', '20260915.100000'],
  ['2023.9.20260915.0', '2023.10.20260715.0'],
  ['99999999999999999998', '99999999999999999999'],
])('%s comes before %s', (older, newer) => {
  expect(compareBuilds(older, newer)).toBe(-1);
  expect(compareBuilds(newer, older)).toBe(1);
  expect(compareBuilds(newer, newer)).toBe(0);
});

test('the order is one', () => {
  const build = fc.stringMatching(/^\d[\d.r-]{0,8}$/);
  fc.assert(
    fc.property(build, build, build, (one, two, three) => {
      expect(Math.sign(compareBuilds(one, two))).toBe(0 - Math.sign(compareBuilds(two, one)));
      if (compareBuilds(one, two) <= 0 && compareBuilds(two, three) <= 0)
        expect(compareBuilds(one, three)).toBeLessThanOrEqual(0);
    }),
  );
});
