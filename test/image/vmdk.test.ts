import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { disk } from '../rig/disks.ts';
import { vmdkHidingDescriptor } from '../rig/evil-disks.ts';
import { Rig } from '../rig/rig.ts';

const SECTOR = 512;

/** An honest vmdk with words written over it, at a byte. */
function vmdkSaying(words: string, at: number): Buffer {
  const bytes = disk('vmdk');
  bytes.write(words, at, 'latin1');
  return bytes;
}

/** QEMU reads lists of extents more freely than a pattern could: signs, far down, of every kind. */
function extents(line: (secret: string) => string, secret: string): Buffer {
  const bytes = vmdkHidingDescriptor('/dev/null');
  bytes.fill(0, SECTOR, 21 * SECTOR);
  bytes.write(`# Disk DescriptorFile\ncreateType="monolithicFlat"\n${line(secret)}\n`, SECTOR);
  return bytes;
}

test.for([
  ['a sign before the size', (secret: string) => `RW +16 FLAT "${secret}" 0`],
  ['a sparse extent', (secret: string) => `RW 16 SPARSE "${secret}"`],
  ['an extent far down', (secret: string) => `${'# filler\n'.repeat(500)}RW 16 FLAT "${secret}" 0`],
] as const)('a vmdk without data of its own is refused: %s', async ([, line]) => {
  await using rig = new Rig();
  const secret = join(rig.work, 'secret');
  writeFileSync(secret, 'secret'.padEnd(16 * SECTOR, '.'));
  rig.write({ 'evil.vmdk': extents(line, secret) });
  const { exitCode, stderr } = await rig.pull('evil,file=evil.vmdk');
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain('its data is in other files');
  expect(rig.images).toEqual([]);
});

test.for([
  ['as it is written', 'parentFileNameHint="/etc/passwd"', 2 * SECTOR],
  ['behind an empty one in the header', 'parentFileNameHint=""', 100],
  ['with other letters before the name', 'parentFileNameHint=x/etc/passwd"', 2 * SECTOR],
] as const)('a vmdk that names a parent is refused: %s', async ([, words, at]) => {
  await using rig = new Rig();
  const bytes = vmdkSaying(words, at);
  bytes.write('parentFileNameHint=/"/etc/passwd"', 3 * SECTOR, 'latin1');
  rig.write({ 'evil.vmdk': bytes });
  const { exitCode, stderr } = await rig.pull('evil,file=evil.vmdk');
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain('it refers to another file (a parent)');
});
