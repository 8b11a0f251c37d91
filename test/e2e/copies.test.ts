import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { filesystem } from '../rig/filesystems.ts';
import { described, plantTree } from '../rig/trees.ts';
import { succeeded } from '../rig/vms.ts';
import { guest, PATIENTLY, realRig } from './guests.ts';

const tiny = guest('tiny');

test('ten copies in and ten out: one boot of the builder each, and the exit code is the command’s', async () => {
  await using rig = realRig();
  const names = Array.from({ length: 10 }, (_none, index) => `file ${index}`);
  rig.write(Object.fromEntries(names.map((name) => [name, `this is ${name}\n`])));
  const into = names.flatMap((name) => ['-b', `${name}:/srv/in/`]);
  const out = names.flatMap((name, index) => ['-a', `/srv/in/${name}:out/new name ${index}`]);
  const command = 'stat -c %U /srv/in /home/vagrant/mine; cat /srv/in/* | wc -l; exit 5';
  const mine = ['-b', 'file 0:/home/vagrant/mine'];
  const { exitCode, stdout, stderr } = await rig.run([
    'run',
    tiny,
    ...PATIENTLY,
    ...into,
    ...mine,
    ...out,
    '--cmd',
    command,
  ]);
  expect([exitCode, stdout.text]).toEqual([5, 'root\nvagrant\n10\n']);
  expect(stderr.text.match(/Mount the disk to copy in: done/g)).toHaveLength(1);
  expect(stderr.text.match(/Mount the disk to copy out: done/g)).toHaveLength(1);
  for (const [index, name] of names.entries()) {
    expect(readFileSync(join(rig.work, 'out', `new name ${index}`), 'utf8')).toBe(`this is ${name}\n`);
  }
  // it had a place in the store, and has none any more
  expect(readdirSync(rig.vmstore).filter((name) => !name.startsWith('.'))).toEqual([]);
});

describe('a tree comes back as it was', () => {
  test.for([
    ['by the builder', []],
    ['by rsync in the builder', ['--rsync']],
  ] as const)('%s', async ([, how]) => {
    await using rig = realRig();
    const tree = plantTree(rig);
    await succeeded(rig, ['create', tiny, '--name', 'vm']);
    await succeeded(rig, ['cp', ...how, tree, 'vm:/srv/']);
    await succeeded(rig, ['cp', ...how, 'vm:/srv/tree', 'back']);
    expect(described(join(rig.work, 'back'))).toEqual(described(tree));
    // a second time it is joined with what is there
    await succeeded(rig, ['cp', ...how, tree, 'vm:/srv/']);
    await succeeded(rig, ['cp', ...how, 'vm:/srv/', 'all']);
    expect(described(join(rig.work, 'all/tree'))).toEqual(described(tree));
  });

  test('directly, from a full Debian', async () => {
    await using rig = realRig();
    const tree = plantTree(rig);
    const direct = [...PATIENTLY, '-m', '1G', '--direct-copy'];
    const command =
      'stat -c "%U %n" /srv/tree /home/vagrant/tree; touch /srv/tree 2>/dev/null || echo refused';
    const pairs = [
      '-b',
      'tree:/srv/',
      '-b',
      'tree:/home/vagrant/',
      '-a',
      '/srv/tree:back',
      '-a',
      '/home/vagrant/tree:out/',
    ];
    const output = await succeeded(rig, ['run', guest('debian'), ...direct, ...pairs, '--cmd', command]);
    expect(output).toBe('root /srv/tree\nvagrant /home/vagrant/tree\nrefused\n');
    for (const back of ['back', 'out/tree']) expect(described(join(rig.work, back))).toEqual(described(tree));
  });

  test('directly, by a guest that has only busybox: all but holes and parts of a second', async () => {
    await using rig = realRig();
    const tree = plantTree(rig);
    const direct = [...PATIENTLY, '--direct-copy', '-b', 'tree:/srv/', '-a', '/srv/tree:back'];
    await succeeded(rig, ['run', tiny, ...direct, '--cmd', 'true']);
    const whole = (path: string): unknown =>
      described(path).map((line) => line.replace(/(\d+)\.\d+ (\d+) (true|false) /, '$1 $2 '));
    expect(whole(join(rig.work, 'back'))).toEqual(whole(tree));
  });
});

test('rsync over ssh, too', async () => {
  await using rig = realRig();
  const tree = plantTree(rig);
  const direct = [...PATIENTLY, '--direct-copy', '--rsync', '-b', 'tree:/srv/', '-a', '/srv/tree:back'];
  await succeeded(rig, ['run', tiny, ...direct, '--cmd', 'true']);
  expect(described(join(rig.work, 'back'))).toEqual(described(tree));
});

test('a link that a guest leaves behind does not lead the next run astray', async () => {
  await using rig = realRig();
  rig.write({ 'victim/mine': 'mine\n', 'project/mine': '' });
  const run = async (command: string): Promise<string> => {
    const copy = ['--rsync', '--direct-copy', '-a', '/tmp/res:./out/'];
    const { exitCode, stderr } = await rig.run(['run', tiny, ...PATIENTLY, ...copy, '--cmd', command], {
      cwd: 'project',
    });
    expect(exitCode).toBe(0);
    return stderr.text;
  };
  expect(await run('ln -s ../../victim /tmp/res')).toContain('1 of the copied links points outside ');
  await run('mkdir /tmp/res; echo key >/tmp/res/authorized_keys; echo evil >/tmp/res/.bashrc');
  expect(readdirSync(join(rig.work, 'victim'))).toEqual(['mine']);
  expect(readdirSync(join(rig.work, 'project/out/res')).sort()).toEqual(['.bashrc', 'authorized_keys']);
});

describe('filesystems', () => {
  test.for(['xfs', 'btrfs', 'vfat', 'ext4'] as const)('%s', async (kind) => {
    await using rig = realRig();
    rig.write({ 'a file': 'content\n' });
    await succeeded(rig, ['create', `data,file=${filesystem(rig, kind)}`, '--name', 'vm']);
    await succeeded(rig, ['cp', 'a file', 'vm:/etc/new/place/']);
    // a disk without devices, as most are while nobody runs them
    await succeeded(rig, ['cp', 'a file', 'vm:/etc/renamed']);
    await succeeded(rig, ['cp', 'vm:/etc/new/place/a file', 'vm:/etc/renamed', 'vm:/etc/fstab', 'back/']);
    for (const name of ['a file', 'renamed']) {
      expect(readFileSync(join(rig.work, 'back', name), 'utf8')).toBe('content\n');
    }
    expect(readFileSync(join(rig.work, 'back/fstab'), 'utf8')).toBe('# nothing below it\n');
  });
});

describe('what cannot be copied', () => {
  test('is reported with its pair, and nothing else is done', async () => {
    await using rig = realRig();
    rig.write({ file: 'x', blocker: 'a file' });
    await succeeded(rig, ['create', tiny, '--name', 'vm']);
    const refused = async (...args: readonly string[]): Promise<string> => {
      const { exitCode, stderr } = await rig.run(args);
      expect(exitCode).toBe(1);
      expect(stderr.text.match(/error:/g)).toHaveLength(1);
      return stderr.text;
    };
    const missing = await refused('start', 'vm', ...PATIENTLY, '-b', 'nowhere:/etc/', '--cmd', 'echo never');
    expect(missing).toMatch(/copying in \S*\/nowhere:\/etc\/: cannot copy .*: No such file or directory/);
    expect(missing).not.toContain('Boot');
    expect(await refused('cp', 'vm:/nowhere', 'out')).toMatch(
      /copying out \/nowhere:.* No such file or directory/,
    );
    expect(await refused('cp', 'file', 'vm:/etc/passwd/x')).toContain(
      'cannot write to /etc/passwd/x in the guest',
    );
    expect(await refused('cp', 'vm:/etc/passwd', 'blocker/x')).toContain(
      'on the host: it or a component of its path is not',
    );
    rig.write({ 'root/etc/fstab': '' });
    const small = 'truncate -s 40M disk; PATH=$PATH:/sbin:/usr/sbin mke2fs -q -t ext4 -d root disk';
    execFileSync('sh', ['-c', `head -c 60000000 /dev/zero | tr "\\0" x > big; ${small}`], { cwd: rig.work });
    await succeeded(rig, ['create', 'small,file=./disk', '--name', 'small']);
    expect(await refused('cp', 'big', 'small:/srv/')).toContain('no space left on its disk');
    const owner = rig.start(['start', 'vm', ...PATIENTLY, '--cmd', 'echo up; sleep 1000']);
    await owner.waitFor(/^up$/m, 'stdout');
    expect(await refused('cp', 'file', 'vm:/etc/')).toContain(`VM 'vm' is in use by process ${owner.pid}`);
    await succeeded(rig, ['stop', 'vm']);
  });

  test('a copy that takes too long is ended, and the VM does not run', async () => {
    await using rig = realRig();
    execFileSync('sh', ['-c', 'head -c 1000000000 /dev/zero | tr "\\0" x > big'], { cwd: rig.work });
    const args = [
      'run',
      tiny,
      ...PATIENTLY,
      '-b',
      'big:/srv/',
      '--copy-timeout',
      '0.5',
      '--cmd',
      'echo never',
    ];
    const { exitCode, stdout, stderr } = await rig.run(args);
    expect([exitCode, stdout.text]).toEqual([1, '']);
    expect(stderr.text).toMatch(/copying in \S*\/big:\/srv\/ took longer than 0\.5 s/);
  });

  test('an encrypted disk is reported as that', async () => {
    await using rig = realRig();
    const disk = join(rig.work, 'luks.raw');
    const head = Buffer.alloc(8 << 20);
    head.write('LUKS\xba\xbe\0\x01', 'latin1');
    head.write('01234567-89ab-cdef-0123-456789abcdef', 168);
    writeFileSync(disk, head);
    // as a raw file it would be refused: within a qcow2 it is the guest's own
    execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', disk, `${disk}.qcow2`]);
    await succeeded(rig, ['create', `luks,file=${disk}.qcow2`, '--name', 'vm']);
    const { stderr } = await rig.run(['cp', 'vm:/x', 'y']);
    expect(stderr.text).toContain('the disk is encrypted: vda (crypto_LUKS)');
  });
});

test('SIGKILL in the middle of a copy: the disk is whole, and nothing needs a hand', async () => {
  await using rig = realRig();
  rig.write({ small: 'x' });
  execFileSync('sh', ['-c', 'head -c 1000000000 /dev/zero | tr "\\0" x > big'], { cwd: rig.work });
  await succeeded(rig, ['create', tiny, '--name', 'vm']);
  const copy = rig.start(['cp', 'big', 'vm:/srv/']);
  await copy.waitFor(/Mount the disk to copy in: done/);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await copy.kill();
  await succeeded(rig, ['cp', 'small', 'vm:/srv/']);
  await succeeded(rig, ['commit', 'vm', 'after']);
  const raw = join(rig.work, 'after.raw');
  execFileSync('qemu-img', ['convert', '-O', 'raw', join(rig.backend, 'after'), raw]);
  const fsck = execFileSync(
    'sh',
    ['-c', `PATH=$PATH:/sbin:/usr/sbin; e2fsck -fn "${raw}?offset=${rootOffset(raw)}"`],
    {
      encoding: 'utf8',
    },
  );
  expect(fsck).toContain('Pass 5');
});

/** Where the last partition of an MBR begins, in bytes. */
function rootOffset(disk: string): number {
  const head = execFileSync('head', ['-c', '512', disk]);
  const starts = [0, 1, 2, 3].map((index) => head.readUInt32LE(446 + index * 16 + 8));
  return Math.max(...starts) * 512;
}
