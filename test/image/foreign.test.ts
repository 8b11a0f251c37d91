import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compressed, disk, holds } from '../rig/disks.ts';
import { errorsIn } from '../rig/errors.ts';
import { FOREIGN_DISKS } from '../rig/foreign-disks.ts';
import { Rig } from '../rig/rig.ts';

test('a disk of a format that is not ours is refused by the name of that, also a compressed one', async () => {
  await using rig = new Rig();
  const names = Object.keys(FOREIGN_DISKS);
  const all = Object.fromEntries(
    Object.entries(FOREIGN_DISKS).flatMap(([name, { make }]) => [
      [name, make()],
      [`${name}.gz`, compressed(make(), 'gzip')],
    ]),
  );
  rig.write(all);
  const { exitCode, stderr } = await rig.pull(...Object.keys(all).map((name) => `${name},file=${name}`));
  expect(exitCode).toBe(1);
  const errors = errorsIn(stderr.text);
  const errorOf = (name: string): unknown =>
    errors.find((error) => error.includes(`/${name} is not a usable disk image: `));
  for (const name of names)
    for (const file of [name, `${name}.gz`])
      expect(errorOf(file)).toMatch(
        new RegExp(`${escaped(FOREIGN_DISKS[name]?.message ?? '')}.*\\n *hint: .`),
      );
  expect(rig.images).toEqual([]);
});

describe('a source that cannot be read as a file', () => {
  test.for<[string, string]>([
    ['a FIFO', 'mkfifo it'],
    ['a socket', 'perl -MIO::Socket::UNIX -e \'IO::Socket::UNIX->new(Local => "it", Listen => 1)\''],
    ['a terminal', 'ln -s /dev/tty it'],
    ['a device without an end', 'ln -s /dev/zero it'],
  ])('%s is refused', async ([, making]) => {
    await using rig = new Rig();
    execFileSync('sh', ['-c', making], { cwd: rig.work });
    const { exitCode, stderr } = await rig.pull('image,file=it');
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([
      expect.stringContaining(`cannot read the image file ${join(rig.work, 'it')}: `),
    ]);
    expect(stderr.text).not.toContain('internal error');
  });

  test('a FIFO in place of the file that an image was made of', async () => {
    await using rig = new Rig();
    rig.write({ one: disk('qcow2') });
    await rig.pull('image,file=one');
    execFileSync('mkfifo', [join(rig.work, 'two')]);
    expect((await rig.pull('image,file=two')).exitCode).toBe(1);
  });
});

test.skipIf(!hasLoopDevices())('a block device is a raw disk', async () => {
  await using rig = new Rig();
  rig.write({ raw: disk('raw') });
  const device = execFileSync('losetup', ['-f', '--show', join(rig.work, 'raw')])
    .toString()
    .trim();
  rig.atEnd(() => execFileSync('losetup', ['-d', device]));
  expect((await rig.pull(`image,file=${device}`)).exitCode).toBe(0);
  expect(holds(join(rig.backend, 'image'))).toBe(true);
});

function escaped(text: string): string {
  return text.replaceAll(/[()]/g, '\\$&');
}

function hasLoopDevices(): boolean {
  try {
    const device = execFileSync('losetup', ['-f', '--show', '-r', '/bin/sh'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    execFileSync('losetup', ['-d', device.toString().trim()]);
    return true;
  } catch {
    return false;
  }
}
