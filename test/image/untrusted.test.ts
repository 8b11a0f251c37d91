import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, onTestFailed, test } from 'vitest';
import { compressed, disk } from '../rig/disks.ts';
import { errorsIn } from '../rig/errors.ts';
import {
  makeQcow2WithDataFile,
  qcow2BackedBy,
  vmdkDescriptor,
  vmdkHidingDescriptor,
} from '../rig/evil-disks.ts';
import { HttpServer } from '../rig/http-server.ts';
import { Program } from '../rig/program.ts';
import { Rig } from '../rig/rig.ts';
import { type TarEntry, paxName, tar } from '../rig/tar.ts';

const SECRET = 'the secret of the host '.repeat(200);
const BOX_IMAGE = { name: 'box.img', content: disk('qcow2') };

/** A place of the host that no box may write to. */
const OUTSIDE = '/tmp/transient-test-must-not-be';

/** Boxes by what is wrong with them. */
const EVIL_BOXES: readonly [string, (secret: string) => TarEntry[]][] = [
  ['climbs', () => [{ name: '../../climbed', content: 'x' }, BOX_IMAGE]],
  ['climbs in the middle', () => [{ name: 'a/../../../climbed', content: 'x' }, BOX_IMAGE]],
  ['climbs with its disk', () => [{ name: '../../box.img', content: disk('qcow2') }]],
  [
    'climbs by an extended header',
    () => [paxName('../../climbed'), { name: 'fine', content: 'x' }, BOX_IMAGE],
  ],
  ['is absolute', () => [{ name: OUTSIDE, content: 'x' }, BOX_IMAGE]],
  ['is absolute with its disk', () => [{ name: `${OUTSIDE}/box.img`, content: disk('qcow2') }]],
  ['links its disk', (secret) => [{ name: 'box.img', type: 'symlink', link: secret }]],
  ['links its disk hard', (secret) => [{ name: 'box.img', type: 'hardlink', link: secret }]],
  [
    'writes through a link',
    () => [
      { name: 'a', type: 'symlink', link: '../..' },
      { name: 'a/box.img', content: disk('qcow2') },
    ],
  ],
  ['has a device as its disk', () => [{ name: 'box.img', type: 'device' }]],
  ['has a pipe as its disk', () => [{ name: 'box.img', type: 'fifo' }]],
  ['has a directory as its disk', () => [{ name: 'box.img', type: 'directory' }]],
  ['has no disk', () => [{ name: 'Vagrantfile', content: '' }]],
  [
    'ends within its disk',
    () => [{ name: 'box.img', content: disk('qcow2').subarray(0, 65_536), claims: 1e9 }],
  ],
  [
    'names a disk that climbs',
    () => [{ name: 'metadata.json', content: JSON.stringify({ disks: [{ path: '../../../work/secret' }] }) }],
  ],
  [
    'names a disk that it has not',
    () => [{ name: 'metadata.json', content: JSON.stringify({ disks: [{ path: 'disk.qcow2' }] }) }],
  ],
  ['has metadata that is none', () => [{ name: 'metadata.json', content: '{"disks": "' }]],
  ['has metadata of other things', () => [{ name: 'metadata.json', content: '{"disks": [null, 7, {}]}' }]],
];

describe('a disk that names other files', () => {
  test('qcow2 with a backing file, however it is named', async () => {
    await using rig = new Rig();
    const secret = secretOf(rig);
    const json = { driver: 'raw', file: { driver: 'file', filename: secret } };
    const contents = {
      path: qcow2BackedBy(secret),
      url: qcow2BackedBy(`file:${secret}`),
      json: qcow2BackedBy(`json:${JSON.stringify(json)}`),
      server: qcow2BackedBy('nbd://127.0.0.1:1/disk'),
      relative: qcow2BackedBy('secret'),
      packed: compressed(qcow2BackedBy(secret), 'gzip'),
    };
    await expectRefused(rig, contents);
  });

  test('qcow2 whose data lie in another file', async () => {
    await using rig = new Rig();
    const data = join(rig.work, 'data');
    makeQcow2WithDataFile(join(rig.work, 'made'), data);
    const before = readFileSync(data);
    await expectRefused(rig, { outside: readFileSync(join(rig.work, 'made')) });
    expect(readFileSync(data).equals(before)).toBe(true);
  });

  test('older formats of QEMU with a backing file', async () => {
    await using rig = new Rig();
    const base = rig.image('base.raw', 'raw');
    const contents = ['qcow', 'qed'].map((format) => {
      const path = join(rig.work, `made.${format}`);
      execFileSync('qemu-img', ['create', '-q', '-f', format, '-b', base, '-F', 'raw', path]);
      return [format, readFileSync(path)] as const;
    });
    await expectRefused(rig, Object.fromEntries(contents));
  });

  test.for([
    ['by its path', (secret: string) => secret],
    ['beside it', () => 'secret'],
    ['above it', () => '../work/secret'],
  ] as const)('vmdk with a part %s', async ([, name]) => {
    await using rig = new Rig();
    const extent = name(secretOf(rig));
    await expectRefused(rig, {
      text: Buffer.from(vmdkDescriptor(extent)),
      hidden: vmdkHidingDescriptor(extent),
      packed: compressed(vmdkHidingDescriptor(extent), 'gzip'),
    });
  });

  test('in a box', async () => {
    await using rig = new Rig();
    const secret = secretOf(rig);
    await expectRefused(rig, {
      qcow2: tar({ name: 'box.img', content: qcow2BackedBy(secret) }),
      vmdk: tar({ name: 'box.img', content: vmdkHidingDescriptor(secret) }),
    });
  });
});

describe('a box', () => {
  test('that reaches out, or is none, is refused', async () => {
    await using rig = new Rig();
    const secret = secretOf(rig);
    const before = readdirSync(rig.root);
    const boxes = EVIL_BOXES.flatMap(([what, entries]) => {
      const box = tar(...entries(secret));
      return [
        [what, box],
        [`${what} (packed)`, compressed(box, 'gzip')],
      ] as const;
    });
    await expectRefused(rig, Object.fromEntries(boxes));
    expect(existsSync(OUTSIDE)).toBe(false);
    expect(readdirSync(rig.root)).toEqual(before);
  });
});

describe('what is no image', () => {
  test.for([
    ['a web page', Buffer.from('<!DOCTYPE html>\n<html><body>Please log in</body></html>\n'.repeat(50))],
    ['text of whole sectors', Buffer.from('0123456\n'.repeat(64))],
    ['nothing', Buffer.alloc(0)],
    ['compressed text', compressed(Buffer.from('hello\n'.repeat(1000)), 'xz')],
    ['compressed nothing', compressed(Buffer.alloc(0), 'gzip')],
    ['half a qcow2', disk('qcow2').subarray(0, disk('qcow2').length / 2)],
  ] as const)('%s', async ([, content]) => {
    await using rig = new Rig();
    await expectRefused(rig, { it: content });
  });

  test('a web page that a server sends instead', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const page = Buffer.from('<!DOCTYPE html>\n<html><body>Please log in</body></html>\n');
    const url = server.serve('/disk', { content: page, headers: { 'Content-Type': 'text/html' } });
    const { exitCode, stderr } = await rig.pull(`disk,http=${url}`);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toHaveLength(1);
    expect(rig.images).toEqual([]);
    expect(rig.unfinished).toEqual([]);
  });
});

describe('a name', () => {
  test.for(['.working', '.origin', '..', '.', '../x'])('%s is refused', async (name) => {
    await using rig = new Rig();
    const spec = `${name},file=${rig.image('disk.qcow2')}`;
    const { exitCode, stderr } = await rig.pull(spec);
    expect(exitCode).toBe(2);
    expect(errorsIn(stderr.text)).toEqual([expect.stringContaining('must not begin with a dot')]);
    expect(readdirSync(rig.backend)).toEqual([]);
  });

  test.for(['a/../../b', 'a/b', 'ümlaut %2F', "it's"])('%s stays in the backend', async (name) => {
    await using rig = new Rig();
    const path = rig.image('disk.qcow2');
    const { exitCode } = await rig.pull(`${name},file=${path}`);
    expect(exitCode).toBe(0);
    expect(rig.images.map(decodeURIComponent)).toEqual([name]);
  });
});

test('a name may look like a flag, after two dashes', async () => {
  await using rig = new Rig();
  expect((await rig.pull('--', `-x,file=${rig.image('disk.qcow2')}`)).exitCode).toBe(0);
  expect(rig.images.map(decodeURIComponent)).toEqual(['-x']);
});

describe('more than the disk holds', () => {
  const skip = !canMountTmpfs();

  test.skipIf(skip)('is refused with the figure, and nothing is kept', async () => {
    await using rig = new Rig();
    rig.write({ bomb: compressed(Buffer.alloc(64 * 1024 * 1024, 'bomb'), 'xz') });
    const { exitCode, stdout, stderr } = await onSmallDisk(rig, ['image', 'pull', 'bomb,file=bomb']);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([expect.stringMatching(/\d+(\.\d+)? ?[KMG]i?B/)]);
    expect(stdout.text).toBe('');
  });

  test.skipIf(skip).for(['gzip', 'xz', 'zstd'] as const)(
    'by %s, and some of the disk is left to others',
    async (compression) => {
      await using rig = new Rig();
      // it would fit, and 5 % of the disk would not be left
      rig.write({ bomb: compressed(Buffer.alloc(15.5 * 1024 * 1024, 'bomb'), compression) });
      const { exitCode, stderr } = await onSmallDisk(rig, ['image', 'pull', 'bomb,file=bomb']);
      expect(exitCode).toBe(1);
      expect(errorsIn(stderr.text)).toEqual([expect.stringContaining('that may be filled in')]);
    },
  );

  test.skipIf(skip)('also within a box', async () => {
    await using rig = new Rig();
    const box = tar({ name: 'box.img', content: Buffer.alloc(64 * 1024 * 1024, 'bomb') });
    rig.write({ bomb: compressed(box, 'gzip') });
    const { exitCode, stdout, stderr } = await onSmallDisk(rig, ['image', 'pull', 'bomb,file=bomb']);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([expect.stringMatching(/\d+(\.\d+)? ?[KMG]i?B/)]);
    expect(stdout.text).toBe('');
  });

  test.skipIf(skip)('a download that cannot fit is not begun', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const url = server.serve('/disk', { content: Buffer.alloc(64 * 1024 * 1024, 'bomb') });
    const { exitCode, stderr } = await onSmallDisk(rig, ['image', 'pull', `bomb,http=${url}`]);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([expect.stringMatching(/\d+(\.\d+)? ?[KMG]i?B/)]);
  });

  test.skipIf(skip)('a download without a declared length is ended', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const url = server.serve('/disk', { content: Buffer.alloc(64 << 20, 'bomb'), chunked: true });
    const { exitCode, stderr } = await onSmallDisk(rig, ['image', 'pull', `bomb,http=${url}`]);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([expect.stringContaining('that may be filled in')]);
  });
});

/** Retrieves each content from a file; every one is refused, nothing is kept, and the host's secret is nowhere. */
async function expectRefused(rig: Rig, contents: Readonly<Record<string, Buffer>>): Promise<void> {
  rig.write(contents);
  const names = Object.keys(contents);
  const { exitCode, stderr } = await rig.pull(...names.map((name) => `${name},file=${name}`));
  expect(exitCode).toBe(1);
  expect(errorsIn(stderr.text)).toHaveLength(names.length);
  expect(stderr.text).not.toContain('internal error');
  expect(rig.images).toEqual([]);
  expect(rig.unfinished).toEqual([]);
}

/** A file of the host that no image may show. */
function secretOf(rig: Rig): string {
  rig.write({ secret: SECRET });
  return join(rig.work, 'secret');
}

/** Runs the program with a backend of 16 MiB; stdout tells what is left in it. */
async function onSmallDisk(rig: Rig, args: readonly string[]) {
  const script = [
    'mount -t tmpfs -o size=16m small "$TRANSIENT_BACKEND"',
    '"$@"',
    'code=$?',
    'find "$TRANSIENT_BACKEND" -type f',
    'exit $code',
  ].join('\n');
  const command = ['unshare', '-rm', 'sh', '-c', script, 'sh', process.execPath, inject('binary'), ...args];
  const program = new Program(command, { cwd: rig.work, env: rig.environment });
  onTestFailed(() => console.error(program.log()));
  program.write();
  return program.ended;
}

/** Whether an unprivileged user may have a mount of his own here. */
function canMountTmpfs(): boolean {
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'small', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
