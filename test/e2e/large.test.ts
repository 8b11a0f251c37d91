import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { filesystem } from '../rig/filesystems.ts';
import type { Rig } from '../rig/rig.ts';
import { described } from '../rig/trees.ts';
import { succeeded } from '../rig/vms.ts';
import { realRig } from './guests.ts';

/** The more, the longer: 50000 are copied in a minute and a half on two processors that emulate a third. */
const FILES = Number(process.env['TRANSIENT_MANY_FILES'] ?? 2000);

const GIB = 2 ** 30;

test(`${FILES} small files come back as they were`, async () => {
  await using rig = realRig();
  const tree = join(rig.work, 'tree');
  for (let index = 0; index < FILES; index++) {
    const directory = join(tree, `${index % 50}`, `${index % 500}`);
    if (index < 500) mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `file ${index}`), String(index), { mode: 0o600 + (index % 64) });
  }
  await thereAndBack(rig, 'tree');
  expect(described(join(rig.work, 'back'))).toEqual(described(tree));
});

test('a file of 5 GiB that is mostly holes takes no more room in the guest or back here', async () => {
  await using rig = realRig();
  const regions = [0, 4 * GIB + 12_288, 5 * GIB - 65_536];
  const content = (at: number): Buffer => Buffer.alloc(65_536, `data at ${at} `);
  const file = openSync(join(rig.work, 'sparse'), 'w');
  ftruncateSync(file, 5 * GIB);
  for (const at of regions) writeSync(file, content(at), 0, 65_536, at);
  closeSync(file);
  // the disk of the VM has no room for what the holes would be
  await thereAndBack(rig, 'sparse');
  const back = join(rig.work, 'back');
  const { size, blocks } = statSync(back);
  expect(size).toBe(5 * GIB);
  expect(blocks * 512).toBeLessThan(2 ** 20);
  for (const at of regions) expect(bytesOf(back, at, 65_536).equals(content(at))).toBe(true);
});

/** Copies something of the working directory into a VM, and out of it to `back`. */
async function thereAndBack(rig: Rig, name: string): Promise<void> {
  await succeeded(rig, ['create', `data,file=${filesystem(rig, 'ext4')}`, '--name', 'vm']);
  await succeeded(rig, ['cp', name, 'vm:/srv/']);
  await succeeded(rig, ['cp', `vm:/srv/${name}`, 'back']);
}

function bytesOf(path: string, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const file = openSync(path, 'r');
  readSync(file, bytes, 0, length, at);
  closeSync(file);
  return bytes;
}
