import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CatalogImage } from '../../src/catalog/catalog.ts';
import { Catalog } from '../../src/catalog/catalog.ts';
import { Mirrors, mirrorVariable } from '../../src/catalog/mirrors.ts';
import type { Environment } from '../../src/config/merge.ts';
import type { Problem } from '../../src/problem.ts';

let home: string;

beforeEach(() => {
  home = mkdtempSync('/tmp/tr-mirrors-');
  mkdirSync(join(home, '.config/transient'), { recursive: true });
});

afterEach(() => rmSync(home, { recursive: true }));

function settings(text: string): void {
  writeFileSync(join(home, '.config/transient/config.toml'), text);
}

function imageOf(name: string): CatalogImage {
  const found = Catalog.open({}).find(name, 'x86_64');
  if (!found.ok) throw new Error(name);
  return found.value;
}

function mirrored(
  url: string,
  { name = 'debian', ...environment }: Environment & { name?: string } = {},
): string {
  const mirrors = Mirrors.open({ HOME: home, ...environment }, imageOf(name));
  if (!mirrors.ok) throw new Error(mirrors.problems.map(({ message }) => message).join('\n'));
  return mirrors.value.mirrored(url);
}

function problems(environment: Environment = {}): readonly Problem[] {
  const mirrors = Mirrors.open({ HOME: home, ...environment }, imageOf('debian'));
  return mirrors.ok ? [] : mirrors.problems;
}

const DEBIAN = 'https://cloud.debian.org/images/cloud/';

describe("a mirror in the user's file", () => {
  test('replaces the beginning of an address', () => {
    settings(`[mirrors]\n"${DEBIAN}" = "https://mirror.example/debian-cloud/"\n`);
    expect(mirrored(`${DEBIAN}trixie/latest/x_1.json`)).toBe(
      'https://mirror.example/debian-cloud/trixie/latest/x_1.json',
    );
    expect(mirrored('https://cloud.debian.org/images/other/')).toBe('https://cloud.debian.org/images/other/');
  });

  test('the longest address wins', () => {
    settings(
      `[mirrors]\n"https://cloud.debian.org/" = "http://a/"\n"${DEBIAN}" = "http://b/"\n"https://cloud.debian.org/images/" = "http://c/"\n`,
    );
    expect(mirrored(`${DEBIAN}x`)).toBe('http://b/x');
    expect(mirrored('https://cloud.debian.org/images/x')).toBe('http://c/x');
    expect(mirrored('https://cloud.debian.org/x')).toBe('http://a/x');
  });

  test('replaces whole components of a path', () => {
    settings('[mirrors]\n"https://example.org/images" = "http://a/b"\n');
    expect(mirrored('https://example.org/images/x')).toBe('http://a/b/x');
    expect(mirrored('https://example.org/images')).toBe('http://a/b');
    expect(mirrored('https://example.org/images-old/x')).toBe('https://example.org/images-old/x');
  });

  test('replaces the address of a file', () => {
    settings('[mirrors]\n"https://fedoraproject.org/releases.json" = "http://a/fedora.json"\n');
    expect(mirrored('https://fedoraproject.org/releases.json')).toBe('http://a/fedora.json');
  });

  test('may have underscores in its address', () => {
    settings('[mirrors]\n"https://repo.almalinux.org/x86_64_v2/" = "http://a/x86_64/"\n');
    expect(mirrored('https://repo.almalinux.org/x86_64_v2/a_b')).toBe('http://a/x86_64/a_b');
  });
});

describe('TRANSIENT_MIRROR_NAME', () => {
  test('is derived from the name of the distribution', () => {
    expect(mirrorVariable('centos-stream')).toBe('TRANSIENT_MIRROR_CENTOS_STREAM');
  });

  test('replaces the base of a distribution', () => {
    const environment = { TRANSIENT_MIRROR_DEBIAN: 'http://127.0.0.1:8000/debian' };
    expect(mirrored(`${DEBIAN}trixie/`, environment)).toBe('http://127.0.0.1:8000/debian/trixie/');
    expect(mirrored(`${DEBIAN}trixie/`, { ...environment, name: 'fedora' })).toBe(`${DEBIAN}trixie/`);
  });

  test('replaces all bases, and comes before the file', () => {
    settings('[mirrors]\n"https://dl.fedoraproject.org/pub/fedora/linux/" = "http://file/"\n');
    const environment = { name: 'fedora', TRANSIENT_MIRROR_FEDORA: 'http://variable/' };
    expect(mirrored('https://dl.fedoraproject.org/pub/fedora/linux/a', environment)).toBe(
      'http://variable/a',
    );
    expect(mirrored('https://download.fedoraproject.org/pub/fedora/linux/a', environment)).toBe(
      'http://variable/a',
    );
  });

  test('must be an address', () => {
    expect(problems({ TRANSIENT_MIRROR_DEBIAN: '/srv/mirror' })).toMatchObject([
      {
        message: 'the address of a mirror must be an http or https URL',
        where: { kind: 'env', name: 'TRANSIENT_MIRROR_DEBIAN' },
      },
    ]);
  });
});

describe("the user's file", () => {
  test.each([
    ['an unknown key', '[mirors]\n', 'unknown key "mirors" in the file', 'did you mean "mirrors"?'],
    [
      'a mirror on the disk',
      '[mirrors]\n"https://a/" = "/srv"\n',
      'mirrors."https://a/" must be an http or https URL',
      undefined,
    ],
    [
      'an address without a protocol',
      '[mirrors]\n"a/" = "http://a/"\n',
      'mirrors."a/" must be an http or https URL',
      undefined,
    ],
    ['syntax', '[mirrors\n', /^invalid TOML/, undefined],
  ])('%s', (_case, text, message, hint) => {
    settings(text);
    const [problem] = problems();
    expect(problem?.message).toMatch(message);
    expect(problem?.hint).toBe(hint);
    expect(problem?.where).toMatchObject({ kind: 'file', file: join(home, '.config/transient/config.toml') });
  });

  test('may be missing or empty', () => {
    expect(problems()).toEqual([]);
    settings('');
    expect(problems()).toEqual([]);
  });
});
