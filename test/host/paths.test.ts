import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeName, encodeName } from '../../src/host/store-layout.ts';

describe('names as file names', () => {
  test.for([
    ['debian', 'debian'],
    ['generic/debian:v1', 'generic%2Fdebian%3Av1'],
    ['a-b', 'a%2Db'],
    ['a_b.c~d', 'a_b.c~d'],
    ["it's (1)!*", 'it%27s%20%281%29%21%2A'],
    ['50%', '50%25'],
    ['ünï', '%C3%BCn%C3%AF'],
    ['.', '%2E'],
    ['..', '%2E%2E'],
    ['...', '...'],
    ['.working', '.working'],
  ] as const)('%s is %s', ([name, fileName]) => {
    expect(encodeName(name)).toBe(fileName);
    expect(decodeName(fileName)).toBe(name);
  });

  test('every name comes back', () => {
    fc.assert(
      fc.property(names, (name) => {
        expect(decodeName(encodeName(name))).toBe(name);
      }),
    );
  });

  test('none leaves its directory or is a special one', () => {
    fc.assert(
      fc.property(names, (name) => {
        const encoded = encodeName(name);
        expect(encoded).toMatch(/^[A-Za-z0-9_.~%]*$/);
        expect(['.', '..']).not.toContain(encoded);
      }),
    );
  });

  test('different names have different files', () => {
    fc.assert(
      fc.property(names, names, (one, other) => {
        fc.pre(one !== other);
        expect(encodeName(one)).not.toBe(encodeName(other));
      }),
    );
  });

  test('what is no name of ours is recognized as such', () => {
    expect(decodeName('%zz')).toBeUndefined();
    expect(decodeName('%C3')).toBeUndefined();
  });
});

/** Names that UTF-8 can say: without lone surrogates. */
const names = fc.string({ unit: 'grapheme', minLength: 1 });
