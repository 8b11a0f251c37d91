import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { identityOf, isWithin, pathComponents } from '../../src/config/path-components.ts';

const home = realpathSync(mkdtempSync(join(tmpdir(), 'transient-way-')));

mkdirSync(join(home, 'a/b'), { recursive: true });
writeFileSync(join(home, 'a/b/file'), '');
symlinkSync('a/b', join(home, 'relative'));
symlinkSync(join(home, 'relative/file'), join(home, 'absolute'));
symlinkSync('../a/./b/../../absolute', join(home, 'a/up'));
symlinkSync('round', join(home, 'round'));

afterAll(() => rmSync(home, { recursive: true, force: true }));

describe('the way to a path', () => {
  test.for([
    ['a/b/file', ['a', 'a/b', 'a/b/file']],
    ['relative/file', ['relative', 'a', 'a/b', 'a/b/file']],
    ['absolute', ['absolute', 'relative', 'a', 'a/b', 'a/b/file']],
    ['a/up', ['a', 'a/up', 'a', 'a/b', 'absolute', 'relative', 'a', 'a/b', 'a/b/file']],
    ['a/none/more', ['a', 'a/none']],
    ['a/b/file/more', ['a', 'a/b', 'a/b/file', 'a/b/file/more']],
  ] as const)('%s', ([path, expected]) => {
    const way = pathComponents(join(home, path)).filter(
      (point) => isWithin(point.path, home) && point.path !== home,
    );
    expect(way.map((point) => point.path.slice(home.length + 1))).toEqual(expected);
  });

  test('knows each file and the directory that it was looked up in', () => {
    const [file, directory] = ['a/b/file', 'a/b'].map((name) =>
      identityOf(statSync(join(home, name), { bigint: true })),
    );
    expect(pathComponents(join(home, 'absolute')).at(-1)).toEqual({
      path: join(home, 'a/b/file'),
      file,
      directory,
    });
  });

  test('ends where links lead round', () => {
    expect(pathComponents(join(home, 'round')).length).toBeLessThan(100);
  });

  test('is within a directory that holds it, and not in one whose name begins alike', () => {
    expect([
      isWithin('/a/b', '/a'),
      isWithin('/a', '/a'),
      isWithin('/ab', '/a'),
      isWithin('/a', '/'),
    ]).toEqual([...[true, true, false, true]]);
  });
});
