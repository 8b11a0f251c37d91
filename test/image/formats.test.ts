import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type DiskFormat, compressed, disk, holds } from '../rig/disks.ts';
import { Rig } from '../rig/rig.ts';
import { tar } from '../rig/tar.ts';

const FORMATS: readonly DiskFormat[] = ['qcow2', 'raw', 'vmdk', 'vdi', 'vhdx', 'vpc'];

test('every format becomes a qcow2 that shows the same', async () => {
  await using rig = new Rig();
  const contents = {
    ...Object.fromEntries(FORMATS.map((format) => [format, disk(format)])),
    'vmdk.stream': disk('vmdk', 1, 'subformat=streamOptimized'),
    'vpc.fixed': disk('vpc', 1, 'subformat=fixed,force_size=on'),
    'vdi.static': disk('vdi', 1, 'static=on'),
    'qcow2.old': disk('qcow2', 1, 'compat=0.10'),
    ...Object.fromEntries(FORMATS.map((format) => [`${format}.gz`, compressed(disk(format), 'gzip')])),
  };
  rig.write(contents);
  const names = Object.keys(contents);
  const { exitCode } = await rig.pull(...names.map((name) => `${name},file=${name}`));
  expect(exitCode).toBe(0);
  expect(rig.images.filter((name) => holds(join(rig.backend, name))).sort()).toEqual([...names].sort());
  const modes = new Set(rig.images.map((name) => statSync(join(rig.backend, name)).mode & 0o777));
  expect(modes).toEqual(new Set([0o444]));
});

test('a qcow2 is stored as it came, also from within a compressed box', async () => {
  await using rig = new Rig();
  const image = disk('qcow2');
  rig.write({
    plain: image,
    packed: compressed(image, 'xz'),
    box: compressed(tar({ name: './box.img', content: image }), 'gzip'),
  });
  await rig.pull('plain,file=plain', 'packed,file=packed', 'box,file=box');
  const stored = rig.images.map((name) => [name, readFileSync(join(rig.backend, name)).equals(image)]);
  expect(Object.fromEntries(stored)).toEqual({ plain: true, packed: true, box: true });
});

test('the file itself is left as it was', async () => {
  await using rig = new Rig();
  rig.write({ image: disk('qcow2') });
  await rig.pull('image,file=image');
  const left = statSync(join(rig.work, 'image'));
  expect(left.mode & 0o200).toBe(0o200);
  expect(left.ino).not.toBe(statSync(join(rig.backend, 'image')).ino);
});

test('holes stay holes', async () => {
  await using rig = new Rig();
  const size = 256 * 1024 * 1024;
  const sparse = join(rig.work, 'sparse');
  writeFileSync(sparse, disk('raw'));
  execFileSync('truncate', ['-s', String(size), sparse]);
  execFileSync('sh', ['-c', 'gzip -1 <sparse >sparse.gz'], { cwd: rig.work });
  const { exitCode } = await rig.pull('sparse,file=sparse', 'packed,file=sparse.gz');
  expect(exitCode).toBe(0);
  for (const name of ['sparse', 'packed']) {
    expect(statSync(join(rig.backend, name)).blocks * 512).toBeLessThan(4 * 1024 * 1024);
  }
});

test('a link to an image is followed', async () => {
  await using rig = new Rig();
  rig.write({ 'real/image': disk('qcow2') });
  execFileSync('ln', ['-s', 'real/image', 'link'], { cwd: rig.work });
  expect((await rig.pull('image,file=link')).exitCode).toBe(0);
  expect(statSync(join(rig.backend, 'image')).isFile()).toBe(true);
});
