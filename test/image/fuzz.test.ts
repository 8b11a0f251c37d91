import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { imageSpec } from '../../src/options/values/image-spec.ts';
import { decodeOperand } from '../../src/options/values/value-type.ts';
import { type DiskFormat, compressed, disk } from '../rig/disks.ts';
import { errorsIn } from '../rig/errors.ts';
import { Rig } from '../rig/rig.ts';
import { paxName, tar } from '../rig/tar.ts';

/** Images in one batch; each costs a few runs of qemu-img, so that a thorough search is asked for. */
const BATCH = Number(process.env['TRANSIENT_FUZZ'] ?? 8);

describe('image specs', () => {
  const part = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.constantFrom(
      'a',
      'user/box',
      ':',
      ',',
      '=',
      'http=',
      'file=',
      'vagrant=',
      ':v',
      '1.0',
      '.',
      '..',
      '/',
      '%',
      '\0',
    ),
    fc.constantFrom('http://', 'https://h/c.json', '[::1]', '\uD800', '\u{1F600}'.repeat(40)),
  );

  test('are read or refused with a reason, whatever they say', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const read = decodeOperand(imageSpec, parts.join(''), (message) => ({ reason: 'usage', message }));
        expect(read.ok ? read.value.name : read.problems[0]?.message).toBeTruthy();
      }),
      { numRuns: 2000 },
    );
  });
});

describe('whatever an image begins with', () => {
  test.for<[DiskFormat, string | undefined, number]>([
    ['qcow2', undefined, 0x70],
    ['qcow2', 'compat=0.10', 0x50],
    ['vmdk', undefined, 0x400],
    ['vdi', undefined, 0x200],
    ['vpc', undefined, 0x600],
    ['vhdx', undefined, 0x40],
  ])('%s %s', async ([format, options, header]) => {
    await expectHarmless(mutated(disk(format, 1, options), header));
  });
});

describe('whatever a box holds', () => {
  test('bytes of its headers', async () => {
    const box = tar(
      { name: 'metadata.json', content: JSON.stringify({ disks: [{ path: 'disk.img' }] }) },
      { name: 'disk.img', content: disk('qcow2') },
    );
    // the header of each entry, and what metadata.json says
    const places = fc.oneof(fc.nat(0x3ff), fc.integer({ min: 0x400, max: 0x5ff }));
    await expectHarmless(mutations(box, places));
  });

  test('entries of any name and kind', async () => {
    const name = fc.oneof(
      fc.constantFrom(
        'box.img',
        'metadata.json',
        '../box.img',
        '/tmp/box.img',
        'a/../../../x',
        '.',
        '..',
        '',
      ),
      fc.string({ maxLength: 20 }),
    );
    const content = fc.oneof(
      fc.constantFrom('', '{}', '{"disks":[{"path":"../../work/secret"}]}', '{"disks":[{"path":"box.img"}]}'),
      fc.constant(disk('qcow2')),
      fc.json(),
    );
    const type = fc.constantFrom(...(['file', 'file', 'symlink', 'hardlink', 'directory', 'fifo'] as const));
    const entry = fc.record({ name, content, type, link: name });
    const entries = fc.array(fc.oneof(entry, name.map(paxName)), { maxLength: 5 });
    await expectHarmless(sample(entries.map((list) => tar(...list))));
  });

  test('random bytes, packed or not', async () => {
    const magic = fc.constantFrom(
      '1f8b08',
      '425a6839',
      'fd377a585a00',
      '28b52ffd',
      '514649fb',
      '4b444d56',
      '',
    );
    const bytes = fc.tuple(magic, fc.uint8Array({ maxLength: 2048 }));
    const plain = bytes.map(([begin, rest]) => Buffer.concat([Buffer.from(begin, 'hex'), rest]));
    const packed = plain.map((content) => compressed(content, 'gzip'));
    await expectHarmless(sample(fc.oneof(plain, packed)));
  });
});

test('whatever a catalogue says', async () => {
  const catalog = {
    name: 'user/box',
    versions: [
      {
        version: '1',
        status: 'active',
        providers: [{ name: 'libvirt', url: 'http://127.0.0.1:1/x', checksum: 'x', checksum_type: 'sha256' }],
      },
    ],
  };
  const places = fc.nat(JSON.stringify(catalog).length - 1);
  const bytes = mutations(Buffer.from(JSON.stringify(catalog)), places);
  const values = sample(
    fc.anything({
      maxDepth: 4,
      key: fc.constantFrom('versions', 'version', 'providers', 'name', 'url', 'checksum'),
    }),
  ).map((value) => Buffer.from(JSON.stringify({ versions: value })));
  await expectHarmless([...bytes, ...values], (file) => `vagrant=${file}:1`);
});

/** Some images with a few bytes of their header changed. */
function mutated(image: Buffer, header: number): Buffer[] {
  return mutations(image, fc.nat(Math.min(header, image.length) - 1));
}

function mutations(bytes: Buffer, places: fc.Arbitrary<number>): Buffer[] {
  const value = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255));
  const changes = fc.array(fc.tuple(places, value), { minLength: 1, maxLength: 6 });
  return sample(changes).map((list) => {
    const changed = Buffer.from(bytes);
    for (const [at, byte] of list) changed[at] = byte;
    return changed;
  });
}

function sample<T>(values: fc.Arbitrary<T>): T[] {
  return fc.sample(values, BATCH);
}

/** Retrieves them all: each is stored or refused with a reason, and nothing is written outside the backend. */
async function expectHarmless(
  contents: readonly Buffer[],
  source = (file: string): string => `file=${file}`,
): Promise<void> {
  await using rig = new Rig({ resumable: true });
  rig.write(Object.fromEntries(contents.map((content, at) => [`files/${at}`, content])));
  rig.write({ secret: 'the secret of the host '.repeat(100) });
  const before = everythingBut(rig);
  const { exitCode, stderr } = await rig.pull(
    ...contents.map((_content, at) => `i${at},${source(`files/${at}`)}`),
  );
  expect([0, 1]).toContain(exitCode);
  expect(stderr.text).not.toContain('internal error');
  expect(rig.images.length + errorsIn(stderr.text).length).toBe(contents.length);
  expect(everythingBut(rig)).toEqual(before);
}

/** All that lies below the rig's root, but for the backend and the run directory. */
function everythingBut(rig: Rig): string[] {
  return readdirSync(rig.root, { recursive: true, encoding: 'utf8' })
    .filter((path) => !/^(backend|run)\b/.test(path))
    .map((path) => `${path} ${statSync(join(rig.root, path)).mtimeMs}`)
    .sort();
}
