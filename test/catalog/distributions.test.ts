import { describe, expect, test } from 'vitest';
import { Catalog } from '../../src/catalog/catalog.ts';
import type { Architecture, CatalogImage } from '../../src/catalog/catalog.ts';
import { readKey } from '../../src/catalog/keys.ts';

const ARCHITECTURES: readonly Architecture[] = ['x86_64', 'aarch64'];

const catalog = Catalog.open({ HOME: '/nonexistent' });

/** Each image of the catalogue once for each architecture that has it. */
function images(): CatalogImage[] {
  return catalog.names().flatMap((name) =>
    ARCHITECTURES.flatMap((architecture) => {
      const image = catalog.find(name, architecture);
      return image.ok ? [image.value] : [];
    }),
  );
}

/** An image as a paragraph of text. */
function shown({ name, architecture, guest, resolver, keys, fingerprints }: CatalogImage): string {
  const { kind, 'other-bases': otherBases, ...addresses } = resolver;
  const { user, shell, privilege, networkConfig, firmware, cpuLevel = 'any' } = guest;
  return [
    `${name} ${architecture}`,
    `  guest: ${user} ${shell} ${privilege} network-config ${networkConfig}, ${firmware.join(' ')}, CPU ${cpuLevel}`,
    `  ${kind}${otherBases.map((base) => `, also ${base}`).join('')}`,
    ...Object.entries(addresses).map(([key, value]) => `    ${key}: ${value}`),
    ...keys.map(
      (key, at) => `    key: ${key.kind === 'bundled' ? key.name : key.path} ${fingerprints[at] ?? ''}`,
    ),
  ].join('\n');
}

describe('the bundled distributions', () => {
  test('are all valid', () => {
    expect(catalog.rows()).toMatchObject({ ok: true });
  });

  test('lead to these addresses', async () => {
    await expect(`${images().map(shown).join('\n\n')}\n`).toMatchFileSnapshot('fixtures/addresses.txt');
  });

  test('are listed', async () => {
    const rows = catalog.rows();
    const lines = rows.ok
      ? rows.value.map(
          (row) =>
            `${row.name} (${row.title}) also ${row.otherNames.join(' ') || '-'}; ${row.variants.join(' ')}; ${row.architectures.join(' ')}; ${row.firmware.join(' ')}; ${row.user}; ${row.signed ? 'signed' : 'not signed'}`,
        )
      : [];
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('fixtures/rows.txt');
  });

  test('have their keys', () => {
    for (const key of images().flatMap(({ keys }) => keys))
      expect(readKey(key)).toContain('BEGIN PGP PUBLIC KEY');
  });

  test.each([
    ['centos:9', 'centos-stream:9'],
    ['alma:9', 'almalinux:9'],
    ['rockylinux', 'rocky:10'],
    ['archlinux', 'arch:rolling'],
    ['amazon', 'amazonlinux:2023'],
    ['al2023', 'amazonlinux:2023'],
    ['amazonlinux:al2', 'amazonlinux:2'],
    ['leap:15.6', 'opensuse:15.6'],
    ['opensuse:leap', 'opensuse:16.0'],
    ['ubuntu:lts', 'ubuntu:26.04'],
    ['ubuntu:noble-minimal', 'ubuntu:24.04-minimal'],
    ['freebsd', 'freebsd:15.1'],
    ['freebsd:14-zfs', 'freebsd:14.4-zfs'],
    ['alpine:3.22-bios', 'alpine:3.22'],
    ['alpine:3.22-uefi', 'alpine:3.22-uefi'],
  ])('%s is %s', (text, name) => {
    expect(catalog.find(text, 'x86_64')).toMatchObject({ ok: true, value: { name } });
  });

  test('have the default variant of the architecture', () => {
    expect(catalog.find('alpine:3.22', 'aarch64')).toMatchObject({
      ok: true,
      value: { name: 'alpine:3.22', variant: 'uefi', guest: { firmware: ['uefi'] } },
    });
  });
});
