import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { iso9660 } from '../../src/seed/iso9660.ts';

const SECTOR = 2048;
const SEED = { 'user-data': '#cloud-config\n{}\n', 'meta-data': '{}\n', 'vendor-data': '' };

/** The 34 bytes of a record of the root directory. */
const ROOT_RECORD = `220012000000000000120008000000000800500101000000000200000100000101`;

function sector(image: Buffer, number: number): Buffer {
  return image.subarray(number * SECTOR, (number + 1) * SECTOR);
}

function hex(bytes: Buffer, from: number, length: number): string {
  return bytes.subarray(from, from + length).toString('hex');
}

it('begins with a volume descriptor that says all that a kernel reads', () => {
  const image = iso9660('cidata', SEED);
  expect(image.subarray(0, 16 * SECTOR).every((byte) => byte === 0)).toBe(true);
  const descriptor = sector(image, 16);
  expect(descriptor.toString('latin1', 0, 8)).toBe('\x01CD001\x01\0');
  expect(descriptor.toString('latin1', 8, 72)).toBe(`${' '.repeat(32)}${'cidata'.padEnd(32)}`);
  expect(hex(descriptor, 72, 8)).toBe('00'.repeat(8));
  // no content of vendor-data, so 21 sectors
  expect(hex(descriptor, 80, 8)).toBe('1500000000000015');
  expect(hex(descriptor, 88, 32)).toBe('00'.repeat(32));
  expect(hex(descriptor, 120, 12)).toBe('010000010100000100080800');
  expect(hex(descriptor, 132, 24)).toBe('00'.repeat(24));
  expect(hex(descriptor, 156, 34)).toBe(`${ROOT_RECORD}00`);
  expect(descriptor.toString('latin1', 190, 813)).toBe(' '.repeat(623));
  expect(descriptor.toString('latin1', 813, 881)).toBe(`${'0'.repeat(16)}\0`.repeat(4));
  expect(hex(descriptor, 881, 1)).toBe('01');
  expect(descriptor.subarray(882).every((byte) => byte === 0)).toBe(true);
  expect(sector(image, 17).toString('latin1', 0, 8)).toBe('\xffCD001\x01\0');
  expect(
    sector(image, 17)
      .subarray(8)
      .every((byte) => byte === 0),
  ).toBe(true);
});

it('lists its files sorted, each from a new sector', () => {
  const image = iso9660('cidata', SEED);
  const root = sector(image, 18);
  expect(hex(root, 0, 68)).toBe(`${ROOT_RECORD}00${ROOT_RECORD}01`);
  const record = (at: number, name: string, where: number, size: number): number => {
    const length = 33 + name.length + ((33 + name.length) % 2);
    expect(root[at]).toBe(length);
    expect([root.readUInt32LE(at + 2), root.readUInt32BE(at + 6)]).toEqual([where, where]);
    expect([root.readUInt32LE(at + 10), root.readUInt32BE(at + 14)]).toEqual([size, size]);
    expect(hex(root, at + 18, 14)).toBe('5001010000000000000001000001');
    expect(root[at + 32]).toBe(name.length);
    expect(root.toString('latin1', at + 33, at + 33 + name.length)).toBe(name);
    return at + length;
  };
  let at = record(68, 'meta-data;1', 19, 3);
  at = record(at, 'user-data;1', 20, 17);
  at = record(at, 'vendor-data;1', 21, 0);
  expect(root.subarray(at).every((byte) => byte === 0)).toBe(true);
  expect(sector(image, 19).toString('latin1', 0, 4)).toBe('{}\n\0');
  expect(sector(image, 20).toString('latin1', 0, 18)).toBe('#cloud-config\n{}\n\0');
  expect(image.length).toBe(21 * SECTOR);
});

it('is the same for the same files in any order', () => {
  const reversed = Object.fromEntries(Object.entries(SEED).reverse());
  expect(iso9660('cidata', reversed)).toEqual(iso9660('cidata', SEED));
  const digest = createHash('sha256').update(iso9660('cidata', SEED)).digest('hex');
  expect(digest).toMatchInlineSnapshot(`"6ec3277cc890f546cf0c5d562dc8b7caa26bde9d8d31632120ab7b6f79142b6e"`);
});

it('holds files of several sectors, exactly full ones, and bytes that are no text', () => {
  const [full, over] = [Buffer.alloc(2 * SECTOR, 0xfe), Buffer.alloc(SECTOR + 1, 0xff)];
  const image = iso9660('cidata', { a: full, b: over, c: 'c' });
  expect(image.length).toBe((19 + 2 + 2 + 1) * SECTOR);
  expect(image.subarray(19 * SECTOR, 21 * SECTOR)).toEqual(full);
  expect(image.subarray(21 * SECTOR, 21 * SECTOR + over.length)).toEqual(over);
  expect(image.subarray(21 * SECTOR + over.length, 23 * SECTOR).every((byte) => byte === 0)).toBe(true);
  expect(sector(image, 23).toString('latin1', 0, 2)).toBe('c\0');
});

it('can be empty', () => {
  expect(iso9660('cidata', {}).length).toBe(19 * SECTOR);
});

it.each([
  ['a name too long for its record', { ['n'.repeat(220)]: '' }],
  ['an empty name', { '': '' }],
  ['a name with a slash', { 'a/b': '' }],
  ['a name with a version', { 'a;1': '' }],
  ['more files than fit', Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`file-${at}`, '']))],
])('refuses %s', (_what, files) => {
  expect(() => iso9660('cidata', files)).toThrow(RangeError);
});

it('refuses a label that is too long, and takes the longest names', () => {
  expect(() => iso9660('l'.repeat(33), {})).toThrow(RangeError);
  expect(iso9660('l'.repeat(32), { ['n'.repeat(219)]: 'x' }).length).toBe(20 * SECTOR);
});

it('is recognized by blkid, as cloud-init does', () => {
  const directory = mkdtempSync(join(tmpdir(), 'iso-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'seed.iso');
  writeFileSync(path, iso9660('cidata', SEED));
  const found = execFileSync('blkid', ['-p', '-o', 'export', path], { encoding: 'utf8' });
  expect(found.split('\n')).toEqual(expect.arrayContaining(['LABEL=cidata', 'TYPE=iso9660']));
});
