import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BUNDLED } from '../../src/catalog/bundle.ts';
import { Catalog } from '../../src/catalog/catalog.ts';
import type { Problem, Result } from '../../src/problem.ts';

const COMPANY = `title = "Company Linux"
other-names = ["company"]
user = "admin"
keys = ["company.asc"]
fingerprints = ["0123456789ABCDEF0123456789ABCDEF01234567"]

[architectures]
x86_64 = "x86_64"

[resolver]
kind = "listing-newest"
base = "https://images.example.org/"
index = "{base}{release}/"
image = "{base}{release}/company_linux-{release}-{build}.{arch}.qcow2"
checksums = "{image}.sha256"
signature = "{checksums}.asc"

[[releases]]
name = "2"
other-names = ["latest"]

[[releases]]
name = "1"
`;

let home: string;

beforeEach(() => {
  home = mkdtempSync('/tmp/tr-catalog-');
});

afterEach(() => rmSync(home, { recursive: true }));

function write(name: string, text: string): void {
  const path = join(home, '.config/transient', name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function catalog(): Catalog {
  return Catalog.open({ HOME: home });
}

function problemsOf(result: Result<unknown>): readonly Problem[] {
  return result.ok ? [] : result.problems;
}

describe("a user's own distribution", () => {
  test('is found by its names', () => {
    write('catalog/company-linux.toml', COMPANY);
    const key = join(home, '.config/transient/catalog/company.asc');
    for (const name of ['company-linux', 'company:2', 'company-linux:latest']) {
      expect(catalog().knows(name)).toBe(true);
      expect(catalog().find(name, 'x86_64')).toMatchObject({
        ok: true,
        value: {
          name: 'company-linux:2',
          variant: 'default',
          guest: {
            user: 'admin',
            shell: '/bin/bash',
            privilege: 'sudo',
            networkConfig: 2,
            firmware: ['bios', 'uefi'],
          },
          resolver: { image: 'https://images.example.org/2/company_linux-2-{build}.x86_64.qcow2' },
          keys: [{ kind: 'file', path: key }],
        },
      });
    }
    const rows = catalog().rows('company');
    expect(rows).toMatchObject({ ok: true, value: [{ release: '2', signed: true }, { release: '1' }] });
    expect(catalog().names()).toContain('company-linux:1');
    expect(catalog().closest('compny-linux:1')).toBe('company-linux:1');
  });

  test('is below XDG_CONFIG_HOME', () => {
    write('catalog/company-linux.toml', COMPANY);
    const place = { HOME: '/nonexistent', XDG_CONFIG_HOME: join(home, '.config') };
    expect(Catalog.open(place).knows('company-linux')).toBe(true);
    expect(Catalog.open({ HOME: home, XDG_CONFIG_HOME: 'relative' }).knows('company-linux')).toBe(true);
    expect(Catalog.open({ HOME: home, XDG_CONFIG_HOME: '/nonexistent' }).knows('company-linux')).toBe(false);
  });

  test('replaces a bundled one', () => {
    write('catalog/debian.toml', COMPANY);
    expect(catalog().find('debian:2', 'x86_64')).toMatchObject({ ok: true, value: { name: 'debian:2' } });
    expect(catalog().rows('debian:2')).toMatchObject({
      ok: true,
      value: [{ source: join(home, '.config/transient/catalog/debian.toml') }],
    });
    expect(catalog().find('debian:13', 'x86_64').ok).toBe(false);
  });

  test('does not disturb others if it is invalid', () => {
    write('catalog/company-linux.toml', 'title = 1');
    expect(catalog().find('debian:13', 'x86_64').ok).toBe(true);
    expect(catalog().find('centos:9', 'x86_64').ok).toBe(true);
    expect(problemsOf(catalog().rows()).length).toBeGreaterThan(0);
  });

  test('has a name', () => {
    write('catalog/Company.toml', COMPANY);
    expect(problemsOf(catalog().rows())).toMatchObject([
      { message: 'the name of the file is not that of a distribution' },
    ]);
  });
});

describe('a file of a distribution that is invalid', () => {
  const broken = (from: string | RegExp, to: string): string => COMPANY.replace(from, to);
  test.each([
    ['syntax', broken('title =', 'title'), /^invalid TOML/, undefined],
    [
      'an unknown key',
      broken('user =', 'usr = "x"\nuser ='),
      'unknown key "usr" in the file',
      'did you mean "user"?',
    ],
    [
      'a key of a release',
      broken('name = "1"', 'name = "1"\ncode-name = "x"'),
      'unknown key "code-name" in [item 2 of releases]',
      'did you mean "codename"?',
    ],
    [
      'a key of the resolver',
      broken('index =', 'indx ='),
      'unknown key "indx" in [resolver]',
      'did you mean "index"?',
    ],
    ['a missing key', broken(/^user.*\n/m, ''), 'the file needs a key "user"', undefined],
    ['no index', broken(/^index.*\n/m, ''), '[resolver] needs a key "index"', undefined],
    [
      'another kind of resolver',
      broken('listing-newest', 'listing-newst'),
      /^resolver\.kind must be one of .*, got "listing-newst"$/,
      'did you mean "listing-newest"?',
    ],
    [
      'an address of a file',
      broken('"https://images.example.org/"', '"file:///images/"'),
      'resolver.base must be an http or https URL that ends in "/", got "file:///images/"',
      undefined,
    ],
    [
      'an unknown placeholder',
      broken('{base}{release}/"', '{base}{version}/"'),
      'resolver.index has an unknown placeholder {version}',
      /^known: \{base\}, \{release\}/,
    ],
    [
      'an architecture',
      broken('x86_64 = "x86_64"', 'amd64 = "x86_64"'),
      'unknown key "amd64" in [architectures]',
      'allowed keys: aarch64, x86_64',
    ],
    [
      'a fingerprint',
      broken('"0123456789AB', '"0x123456789AB'),
      /^item 1 of fingerprints must be the fingerprint of a key/,
      undefined,
    ],
    [
      'a key in another directory',
      broken('"company.asc"', '"/etc/company.asc"'),
      'item 1 of keys must be the name of an .asc file, got "/etc/company.asc"',
      undefined,
    ],
    [
      'keys that nothing uses',
      broken(/^signature.*\n/m, ''),
      'a signature needs all of "keys", "fingerprints", and "checksums" and "signature" of [resolver]',
      undefined,
    ],
    [
      'a signature without keys',
      broken(/^keys.*\n/m, ''),
      'a signature needs all of "keys", "fingerprints", and "checksums" and "signature" of [resolver]',
      undefined,
    ],
    [
      'a signature without checksums',
      broken(/^checksums.*\n/m, ''),
      'a signature needs all of "keys", "fingerprints", and "checksums" and "signature" of [resolver]',
      undefined,
    ],
    [
      'no releases',
      COMPANY.slice(0, COMPANY.indexOf('[[releases]]')).replace(
        '[architectures]',
        'releases = []\n[architectures]',
      ),
      'releases must have a release',
      undefined,
    ],
    [
      'a user with a space',
      broken('"admin"', '"the admin"'),
      'user must be the name of a user, got "the admin"',
      undefined,
    ],
    [
      'a name with a slash',
      broken('name = "2"', 'name = "../2"'),
      /^name of item 1 of releases must begin with/,
      undefined,
    ],
  ])('%s', (_case, text, message, hint) => {
    write('catalog/company-linux.toml', text);
    const file = join(home, '.config/transient/catalog/company-linux.toml');
    const problems = problemsOf(catalog().find('company-linux:2', 'x86_64'));
    const [problem] = problems.filter((one) =>
      typeof message === 'string' ? one.message === message : message.test(one.message),
    );
    expect(problems.map((one) => one.message)).toContain(problem?.message);
    expect(problem?.where).toMatchObject({ kind: 'file', file });
    if (hint instanceof RegExp) expect(problem?.hint).toMatch(hint);
    else expect(problem?.hint).toBe(hint);
  });
});

test('a problem has a line', async () => {
  write('catalog/company-linux.toml', COMPANY.replace('name = "1"', 'name = "1"\ncode-name = "x"'));
  const invalid = catalog();
  const found = await invalid.placed(problemsOf(invalid.find('company-linux:2', 'x86_64')));
  expect(found).toMatchObject([{ where: { position: { column: 1, text: 'code-name = "x"' } } }]);
});

test('every bundled file is valid as a file of the user, apart from its keys', () => {
  for (const [name, text] of Object.entries(BUNDLED)) write(`catalog/${name}.toml`, text);
  expect(problemsOf(catalog().rows())).toEqual([]);
});
