import { describe, expect, test } from 'vitest';
import { Catalog } from '../../src/catalog/catalog.ts';
import type { Problem, Result } from '../../src/problem.ts';

const catalog = Catalog.open({ HOME: '/nonexistent' });

function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'));
  return result.value;
}

function problemOf(result: Result<unknown>): Problem | undefined {
  return result.ok ? undefined : result.problems[0];
}

describe('a name of the catalogue', () => {
  test.each([
    ['debian:13', 'debian:13'],
    ['debian', 'debian:13'],
    ['debian:latest', 'debian:13'],
    ['debian:stable', 'debian:13'],
    ['debian:trixie', 'debian:13'],
    ['debian:trixie-genericcloud', 'debian:13'],
    ['debian:12-generic', 'debian:12-generic'],
    ['debian:bookworm-generic', 'debian:12-generic'],
  ])('%s is the image %s', (text, name) => {
    expect(catalog.knows(text)).toBe(true);
    expect(valueOf(catalog.find(text, 'x86_64')).name).toBe(name);
  });

  test('may have a build or a digest', () => {
    const sum = 'A'.repeat(128);
    expect(valueOf(catalog.find('debian:13@20260712-2537', 'x86_64')).build).toBe('20260712-2537');
    expect(valueOf(catalog.find(`debian:13@sha512:${sum}`, 'x86_64')).build).toBe(
      `sha512:${sum.toLowerCase()}`,
    );
    expect(valueOf(catalog.find('debian@20260712-2537', 'x86_64')).build).toBe('20260712-2537');
  });

  test.each([
    '',
    'debian/13',
    'debian:',
    'debian:13@',
    'debian:13@../..',
    'debian:13@a..b',
    'debian:13@sha512:aa',
    'a b',
    'base',
    './debian',
    'debian:13,file=x',
    'Debian:13',
    '-x',
  ])('%j is none', (text) => {
    expect(catalog.knows(text)).toBe(false);
  });
});

describe('a name that is not right', () => {
  test.each([
    ['debain:13', 'the catalogue has no distribution "debain"', 'did you mean "debian"?'],
    ['debian:31', 'Debian has no release "31" in the catalogue', 'did you mean "debian:13"?'],
    ['debian:trixy', 'Debian has no release "trixy" in the catalogue', 'did you mean "debian:trixie"?'],
  ])('%s', (text, message, hint) => {
    expect(problemOf(catalog.find(text, 'x86_64'))).toMatchObject({ message, hint });
  });

  test('is told which architectures there are', () => {
    expect(problemOf(catalog.find('debian:10', 'aarch64'))).toMatchObject({
      message: 'there is no image debian:10 for aarch64',
      hint: 'the vendor has it for: x86_64',
    });
  });

  test.each([
    ['debain:13', 'debian:13'],
    ['Debian:13', 'debian:13'],
    ['debian:trixi', 'debian:trixie'],
    ['debain', 'debian'],
    ['something', undefined],
    ['user/box:1', undefined],
  ])('closest to %s is %s', (text, name) => {
    expect(catalog.closest(text)).toBe(name);
  });
});
