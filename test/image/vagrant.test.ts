import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compressed, disk, guestBytes, holds } from '../rig/disks.ts';
import { errorsIn } from '../rig/errors.ts';
import { HttpServer } from '../rig/http-server.ts';
import {
  HOST_ARCHITECTURE,
  OTHER_ARCHITECTURE,
  boxPath,
  catalogPath,
  checksum,
  libvirt,
  libvirtBox,
  publish,
} from '../rig/registry.ts';
import { Rig } from '../rig/rig.ts';
import { tar } from '../rig/tar.ts';

const CHECKSUMS = ['md5', 'sha1', 'sha256', 'sha384', 'sha512'];

describe('a box of a registry', () => {
  test('by its name and version, with or without a leading v', async () => {
    await using server = await HttpServer.start();
    await using rig = rigWith(server);
    publish(server, 'user/box', { '1.0.0': [libvirt(1)], '2.0.0': [libvirt(2)] });
    const { exitCode, stderr } = await rig.run(['run', 'user/box:v1.0.0', '--cmd', 'true']);
    expect(exitCode).toBe(0);
    expect(stderr.text).toContain("Unable to find image 'user/box:v1.0.0' in backend");
    expect(stderr.text).toMatch(/Pulling from vagrant cloud: user\/box:v?1\.0\.0/);
    expect((await rig.pull('other,vagrant=user/box:2.0.0')).exitCode).toBe(0);
    expect(rig.images.sort()).toEqual(['other', 'user%2Fbox%3Av1.0.0']);
    expect(holds(join(rig.backend, 'user%2Fbox%3Av1.0.0'), 1)).toBe(true);
    expect(holds(join(rig.backend, 'other'), 2)).toBe(true);
  });

  test('libvirt comes before qemu, and no other provider is taken', async () => {
    await using server = await HttpServer.start();
    await using rig = rigWith(server);
    const none = { provider: 'virtualbox', content: tar({ name: 'box.ovf', content: 'x' }) };
    publish(server, 'user/box', {
      '1': [none, { ...libvirt(2), provider: 'qemu' }, libvirt(1)],
      '2': [none, { ...libvirt(2), provider: 'qemu' }],
      '3': [none],
    });
    const { exitCode, stderr } = await rig.pull('user/box:1', 'user/box:2', 'user/box:3');
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([expect.stringContaining('virtualbox')]);
    expect(rig.images).toEqual(['user%2Fbox%3A1', 'user%2Fbox%3A2']);
    expect(holds(join(rig.backend, 'user%2Fbox%3A1'), 1)).toBe(true);
    expect(holds(join(rig.backend, 'user%2Fbox%3A2'), 2)).toBe(true);
  });

  test("the host's architecture comes first, none or an unknown one next, and no other is taken", async () => {
    await using server = await HttpServer.start();
    await using rig = rigWith(server);
    const ours = libvirt(1, { architecture: HOST_ARCHITECTURE });
    const other = libvirt(3, { architecture: OTHER_ARCHITECTURE });
    publish(server, 'user/box', {
      '1': [other, libvirt(2, { architecture: 'unknown' }), ours],
      '2': [other, libvirt(2, { architecture: 'unknown' })],
      '3': [other, libvirt(2)],
      '4': [other],
    });
    const { exitCode, stderr } = await rig.pull(
      'a,vagrant=user/box:1',
      'b,vagrant=user/box:2',
      'c,vagrant=user/box:3',
      'd,vagrant=user/box:4',
    );
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([expect.stringContaining(OTHER_ARCHITECTURE)]);
    expect(rig.images).toEqual(['a', 'b', 'c']);
    const found = [1, 2, 2].map((number, at) => holds(join(rig.backend, 'abc'.charAt(at)), number));
    expect(found).toEqual([true, true, true]);
  });

  test('checksums of every kind are verified', async () => {
    await using server = await HttpServer.start();
    await using rig = rigWith(server);
    const box = libvirtBox();
    const right = CHECKSUMS.map(
      (type) => [`1.${type}`, [libvirt(1, { checksum: checksum(box, type) })]] as const,
    );
    const wrong = CHECKSUMS.map(
      (type) => [`2.${type}`, [libvirt(1, { checksum: checksum(Buffer.from('other'), type) })]] as const,
    );
    publish(server, 'user/box', Object.fromEntries([...right, ...wrong]));
    const specs = [...right, ...wrong].map(([version]) => `i${version},vagrant=user/box:${version}`);
    const { exitCode, stderr } = await rig.pull(...specs);
    expect(exitCode).toBe(1);
    expect(rig.images.sort()).toEqual(right.map(([version]) => `i${version}`).sort());
    expect(errorsIn(stderr.text)).toHaveLength(CHECKSUMS.length);
    for (const type of CHECKSUMS) {
      expect(stderr.text).toContain(checksum(box, type).value);
      expect(stderr.text).toContain(checksum(Buffer.from('other'), type).value);
    }
  });

  test('a checksum may be empty or in capitals', async () => {
    await using server = await HttpServer.start();
    await using rig = rigWith(server);
    const { type, value } = checksum(libvirtBox(), 'sha256');
    publish(server, 'user/box', {
      '1': [libvirt(1, { checksum: { type: '', value: '' } })],
      '2': [libvirt(1, { checksum: { type: type.toUpperCase(), value: value.toUpperCase() } })],
    });
    expect((await rig.pull('user/box:1', 'user/box:2')).exitCode).toBe(0);
  });

  test('a registry that is down for a moment is asked again', async () => {
    await using server = await HttpServer.start();
    await using rig = rigWith(server);
    const catalog = publish(server, 'user/box', { '1.0.0': [libvirt()] });
    const content = Buffer.from(JSON.stringify(catalog));
    server.serve(catalogPath('user/box'), { content, statuses: [500, 502] });
    expect((await rig.pull('user/box:1.0.0')).exitCode).toBe(0);
  });
});

describe('what a registry has not', () => {
  test('no version is given', async () => {
    await using server = await HttpServer.start();
    await using rig = rigWith(server);
    publish(server, 'user/box', { '1.0.0': [libvirt()] });
    for (const spec of ['user/box', 'x,vagrant=user/box']) {
      const { exitCode, stderr } = await rig.pull(spec);
      expect([1, 2]).toContain(exitCode);
      expect(errorsIn(stderr.text)).toEqual([expect.stringMatching(/version/i)]);
    }
    expect(rig.images).toEqual([]);
  });

  test('the box is unknown', async () => {
    await using server = await HttpServer.start();
    await using rig = rigWith(server);
    const { exitCode, stderr } = await rig.pull('user/none:1.0.0');
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([expect.stringContaining('user/none')]);
    expect(server.requests.map(({ path }) => path)).toEqual([catalogPath('user/none')]);
  });

  test('the version is unknown: the existing ones are listed', async () => {
    await using server = await HttpServer.start();
    await using rig = rigWith(server);
    publish(server, 'user/box', { '1.0.0': [libvirt()], '1.1.0': [libvirt()], '2.0.0': [libvirt()] });
    const { exitCode, stderr } = await rig.pull('user/box:3.0.0');
    expect(exitCode).toBe(1);
    const [error, ...more] = errorsIn(stderr.text);
    expect(more).toEqual([]);
    for (const version of ['3.0.0', '1.0.0', '1.1.0', '2.0.0']) expect(error).toContain(version);
  });

  test('the file of the box is gone', async () => {
    await using server = await HttpServer.start();
    await using rig = rigWith(server);
    publish(server, 'user/box', { '1.0.0': [libvirt()] });
    const path = boxPath('user/box', '1.0.0');
    server.serve(path, { statuses: [404] });
    const { exitCode, stderr } = await rig.pull('user/box:1.0.0');
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([expect.stringContaining(server.url(path))]);
    expect(rig.unfinished).toEqual([]);
  });

  test.for([
    ['a web page', Buffer.from('<html></html>')],
    ['other JSON', Buffer.from('{"versions": [{"version": 7}, null]}')],
    ['half of it', Buffer.from('{"versions": [')],
    ['nothing', Buffer.alloc(0)],
  ] as const)('it answers with %s', async ([, content]) => {
    await using server = await HttpServer.start();
    await using rig = rigWith(server);
    server.serve(catalogPath('user/box'), content);
    const { exitCode, stderr } = await rig.pull('user/box:1.0.0');
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toHaveLength(1);
    expect(stderr.text).not.toContain('internal error');
  });
});

describe("someone's own catalogue", () => {
  test('by its URL', async () => {
    await using server = await HttpServer.start();
    await using rig = new Rig();
    const catalog = publish(server, 'user/box', { '1.0.0': [libvirt(1)], '1.2.0': [libvirt(2)] });
    const url = server.serveJson('/own/catalog.json', catalog);
    expect((await rig.pull(`box,vagrant=${url}:1.2.0`)).exitCode).toBe(0);
    expect(holds(join(rig.backend, 'box'), 2)).toBe(true);
  });

  test('in a file, relative to the working directory or to the file that says it', async () => {
    await using server = await HttpServer.start();
    await using rig = new Rig();
    const catalog = publish(server, 'user/box', { '1.0.0': [libvirt(1)], '1.2.0': [libvirt(2)] });
    rig.write({
      'project/boxes/catalog.json': JSON.stringify(catalog),
      'project/Transientfile.toml': [
        '[images.box]',
        'source = "vagrant=boxes/catalog.json:1.0.0"',
        '[vms.one]',
        'image = "box"',
        'ssh-command = "true"',
      ].join('\n'),
    });
    expect((await rig.pull('other,vagrant=project/boxes/catalog.json:1.2.0')).exitCode).toBe(0);
    expect((await rig.run(['up'], { cwd: 'project' })).exitCode).toBe(0);
    expect(holds(join(rig.backend, 'box'), 1)).toBe(true);
    expect(holds(join(rig.backend, 'other'), 2)).toBe(true);
  });
});

describe('in a box', () => {
  test('the disk may lie anywhere', async () => {
    await using rig = new Rig();
    const content = disk('qcow2');
    rig.write({
      'dot.box': tar({ name: './box.img', content }),
      'deep.box': compressed(
        tar({ name: 'a/b/', type: 'directory' }, { name: 'a/b/box.img', content }),
        'gzip',
      ),
      'last.box': tar({ name: 'big', content: Buffer.alloc(3_000_001, 'x') }, { name: 'box.img', content }),
      'raw.box': tar({ name: 'box.img', content: disk('raw') }),
    });
    const names = ['dot', 'deep', 'last', 'raw'];
    expect((await rig.pull(...names.map((name) => `${name},file=${name}.box`))).exitCode).toBe(0);
    expect(names.filter((name) => !holds(join(rig.backend, name)))).toEqual([]);
  });

  test('of several disks, the first that metadata.json names is the image, wherever that stands', async () => {
    await using rig = new Rig();
    const metadata = {
      name: 'metadata.json',
      content: JSON.stringify({
        provider: 'libvirt',
        disks: [{ format: 'qcow2', path: 'disk_0.qcow2' }, { path: 'disk_1.qcow2' }],
      }),
    };
    const first = { name: './disk_0.qcow2', content: disk('qcow2', 1) };
    const second = { name: './disk_1.qcow2', content: disk('qcow2', 2) };
    rig.write({
      'before.box': tar(metadata, first, second),
      'after.box': tar(second, first, metadata),
      'between.box': compressed(tar(second, metadata, first), 'gzip'),
    });
    const names = ['before', 'after', 'between'];
    expect((await rig.pull(...names.map((name) => `${name},file=${name}.box`))).exitCode).toBe(0);
    expect(names.filter((name) => !holds(join(rig.backend, name)))).toEqual([]);
  });

  test.for([
    ['gnu', '-S'],
    ['posix', '-S'],
    ['gnu', '--no-seek'],
    ['ustar', '--no-seek'],
    ['v7', '--no-seek'],
  ] as const)('archives by GNU tar as %s, with %s', async ([format, option]) => {
    await using rig = new Rig();
    packWithTar(rig, [`--format=${format}`, option]);
    expect((await rig.pull('it,file=it.box')).exitCode).toBe(0);
    expect(holds(join(rig.backend, 'it'))).toBe(true);
  });

  test('many holes, more than a header lists', async () => {
    await using rig = new Rig();
    const disk = join(rig.work, 'box.img');
    writeFileSync(disk, '');
    truncateSync(disk, 64 << 20);
    const file = openSync(disk, 'r+');
    for (let at = 0; at < 64; at++) writeSync(file, Buffer.alloc(4096, at + 1), 0, 4096, at << 20);
    closeSync(file);
    for (const format of ['gnu', 'posix']) {
      execFileSync('tar', ['-c', `--format=${format}`, '-S', '-f', `${format}.box`, 'box.img'], {
        cwd: rig.work,
      });
      expect(statSync(join(rig.work, `${format}.box`)).size).toBeLessThan(1 << 20);
      expect((await rig.pull(`${format},file=${format}.box`)).exitCode).toBe(0);
      const images = [disk, join(rig.backend, format)];
      execFileSync('qemu-img', ['compare', '-q', '-f', 'raw', '-F', 'qcow2', ...images]);
    }
  });
});

/** Packs a disk with holes into `it.box`. */
function packWithTar(rig: Rig, options: readonly string[]): void {
  const inWork = { cwd: rig.work };
  writeFileSync(join(rig.work, 'whole.img'), guestBytes());
  execFileSync('cp', ['--sparse=always', 'whole.img', 'box.img'], inWork);
  execFileSync('tar', ['-c', ...options, '-f', 'it.box', './box.img'], inWork);
}

test('a box that is cut is gone on with', async () => {
  await using server = await HttpServer.start();
  await using rig = rigWith(server);
  const content = compressed(libvirtBox(), 'gzip');
  publish(server, 'user/box', { '1.0.0': [{ provider: 'libvirt', content }] });
  const path = boxPath('user/box', '1.0.0');
  server.serve(path, { content, etag: '"1"', cut: { after: Math.ceil(content.length / 3) } });
  expect((await rig.pull('user/box:1.0.0')).exitCode).toBe(0);
  const sent = server.requestsFor(path).map((request) => request.sent);
  expect(sent).toHaveLength(3);
  expect(sent.reduce((one, other) => one + other)).toBe(content.length);
  expect(readFileSync(join(rig.backend, 'user%2Fbox%3A1.0.0')).equals(disk('qcow2'))).toBe(true);
});

function rigWith(server: HttpServer): Rig {
  return new Rig({ env: { VAGRANT_SERVER_URL: server.url('') } });
}
