import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { pathWithout } from '../rig/path-without.ts';
import { Rig } from '../rig/rig.ts';
import { valuesOf } from '../rig/vms.ts';

const isRoot = process.getuid?.() === 0;

describe('what a shared folder lacks on the host is reported before anything boots', () => {
  test.for([
    ['a directory that is not there', 'nothing', [], 'cannot share '],
    ['a file', 'file', [], 'file is not a directory'],
    [
      'an SFTP server',
      'folder',
      ['--sftp-bin-name', 'no-such-server'],
      "Required program 'no-such-server' is not installed",
    ],
    [
      'an SFTP server by its path',
      'folder',
      ['--sftp-bin-name', './no-such-server'],
      "Required program './no-such-server' is not installed",
    ],
  ] as const)('%s', async ([, name, flags, words]) => {
    await using rig = new Rig();
    rig.write({ file: '', 'folder/file': '' });
    const { exitCode, stderr } = await rig.run([
      'run',
      rig.stored(),
      '-s',
      `${name}:/srv`,
      ...flags,
      '--cmd',
      'true',
    ]);
    expect(stderr.text).toContain(words);
    expect([exitCode, rig.entries('start')]).toEqual([1, []]);
    expect(rig.leftovers()).toEqual([]);
  });
});

describe('what it lacks in the guest is reported by name', () => {
  test('sshfs', async () => {
    await using rig = new Rig();
    rig.write({ 'folder/file': '' });
    const share = `./folder:${join(rig.root, 'guest')}`;
    const { exitCode, stderr } = await rig.run(['run', rig.stored(), '-s', share, '--cmd', 'echo never'], {
      env: { PATH: guestPath(rig, 'echo 0') },
    });
    expect(stderr.text).toContain(`shared folder ${join(rig.work, 'folder')}:${join(rig.root, 'guest')}`);
    expect(stderr.text).toContain('sshfs is not installed in the guest');
    expect(stderr.text).toMatch(/hint: install the package .*fuse-sshfs/);
    expect(exitCode).toBe(1);
    expect(rig.leftovers()).toEqual([]);
  });

  test('sudo', async () => {
    await using rig = new Rig();
    rig.write({ 'folder/file': '' });
    const { exitCode, stdout, stderr } = await rig.run(
      ['run', rig.stored(), '-s', './folder:/srv', '--cmd', 'echo never'],
      { env: { PATH: guestPath(rig, 'echo 1000') } },
    );
    expect(stderr.text).toContain('user vagrant may not use sudo in the guest, which mounting requires');
    expect([exitCode, stdout.text]).toEqual([1, '']);
  });
});

test('an ssh card comes with a shared folder, and the console stays QEMU’s', async () => {
  await using rig = new Rig();
  rig.write({ 'folder/file': '' });
  const plan = await rig.run(['run', rig.stored(), '-s', './folder:/srv', '--plan']);
  expect(plan.stdout.text).toMatch(/Mount \S+ at \S+[\s\S]*Open console \(of QEMU; owns the terminal\)/);
});

test('folders that are devices are those of the machine', async () => {
  await using rig = new Rig();
  rig.write({
    'a,b/file': '',
    'vm.toml': 'shared-folder = [{ host = "./a,b", guest = "/srv", via = "9p", readonly = true }]\n',
  });
  await rig.run(['run', rig.stored(), '--config', 'vm.toml', '--cmd', 'true'], {
    env: { PATH: guestPath(rig, 'echo 1000') },
  });
  const argv = rig.entries('start')[0]?.argv;
  expect(valuesOf(argv, '-fsdev')).toEqual([
    `local,id=plan9-0,path=${join(rig.work, 'a,,b')},security_model=none,multidevs=remap,readonly=on`,
  ]);
  expect(valuesOf(argv, '-device')).toContain('virtio-9p-pci,fsdev=plan9-0,mount_tag=transient-9p-0');
});

test('what a guest writes by 9p where we are root is kept in notes, and in plain sight where we are not', async () => {
  await using rig = new Rig();
  rig.write({ 'a/file': '', 'vm.toml': 'shared-folder = [{ host = "./a", guest = "/srv", via = "9p" }]\n' });
  await rig.run(['run', rig.stored(), '--config', 'vm.toml', '--cmd', 'true'], {
    env: { PATH: guestPath(rig, 'echo 1000') },
  });
  const model = isRoot ? 'mapped-xattr,fmode=0755,dmode=0755' : 'none';
  expect(valuesOf(rig.entries('start')[0]?.argv, '-fsdev')).toEqual([
    `local,id=plan9-0,path=${join(rig.work, 'a')},security_model=${model},multidevs=remap`,
  ]);
});

test.runIf(isRoot)(
  'a virtiofs folder that can be written is refused to root, as all else that is missing',
  async () => {
    await using rig = new Rig();
    const folder = (name: string, more = ''): string =>
      `{ host = "./${name}", guest = "/${name}", via = "virtiofs"${more} }`;
    rig.write({
      'a/file': '',
      'b/file': '',
      'vm.toml': `shared-folder = [${folder('a')}, ${folder('b', ', readonly = true')}]\n`,
    });
    const args = [
      'run',
      rig.stored(),
      '--config',
      'vm.toml',
      '--ssh-bin-name',
      'no-such-ssh',
      '--cmd',
      'true',
    ];
    const { exitCode, stderr } = await rig.run(args);
    expect(stderr.text).toContain(
      `shared folder ${join(rig.work, 'a')}:/a: virtiofs, served by root, would let`,
    );
    expect(stderr.text).not.toContain(':/b: ');
    expect(stderr.text).toContain("'no-such-ssh' is not installed");
    expect([exitCode, rig.entries('start')]).toEqual([1, []]);
  },
);

test('a stored VM shares what it was created with, and more', async () => {
  await using rig = new Rig();
  mkdirSync(join(rig.work, 'one'));
  writeFileSync(
    join(rig.work, 'two.toml'),
    'shared-folder = [{ host = "./two", guest = "/two", via = "9p" }]\n',
  );
  await rig.run(['create', rig.stored(), '--name', 'x', '-s', './one:/one', '--config', 'two.toml']);
  const { stdout } = await rig.run(['start', 'x', '-s', './three:/three', '--cmd', 'true', '--plan']);
  for (const name of ['one', 'two', 'three'])
    expect(stdout.text).toContain(`${join(rig.work, name)} at /${name}`);
  expect(readdirSync(rig.vmstore)).toContain('x');
});

/** The programs of this host, which is the guest of the fake QEMU, but no sshfs, and somebody who may not use sudo. */
function guestPath(rig: Rig, id: string): string {
  const path = pathWithout(join(rig.root, 'bin'), rig.environment['PATH'] ?? '', 'sshfs', 'sudo', 'id');
  writeFileSync(join(path, 'id'), `#!/bin/sh\n${id}\n`, { mode: 0o755 });
  return path;
}
