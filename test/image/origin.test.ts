import { createHash } from 'node:crypto';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { disk, holds } from '../rig/disks.ts';
import { errorsIn } from '../rig/errors.ts';
import { HttpServer } from '../rig/http-server.ts';
import { Rig } from '../rig/rig.ts';

const IMAGE = disk('qcow2');

/** A file that is another image than the rig's own. */
function other(rig: Rig): string {
  rig.write({ 'two.qcow2': disk('qcow2', 2) });
  return join(rig.work, 'two.qcow2');
}

describe('one name from two sources', () => {
  test('is an error that names both and how to resolve it', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const [one, two] = [server.serve('/one', IMAGE), server.serve('/two', disk('qcow2', 2))];
    expect((await rig.pull(`disk,http=${one}`)).exitCode).toBe(0);
    const { exitCode, stderr } = await rig.pull(`disk,http=${two}`);
    expect(exitCode).toBe(1);
    const [error, ...more] = errorsIn(stderr.text);
    expect(more).toEqual([]);
    for (const part of [one, two, 'transient image rm disk']) expect(error).toContain(part);
    expect(server.requestsFor('/two')).toEqual([]);
    expect(holds(join(rig.backend, 'disk'), 1)).toBe(true);
  });

  test('is no error once the image is removed', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    await rig.pull(`disk,http=${server.serve('/one', IMAGE)}`);
    expect((await rig.run(['image', 'rm', 'disk'])).exitCode).toBe(0);
    expect((await rig.pull(`disk,http=${server.serve('/two', disk('qcow2', 2))}`)).exitCode).toBe(0);
    expect(holds(join(rig.backend, 'disk'), 2)).toBe(true);
  });

  test('a VM does not run from the wrong one', async () => {
    await using rig = new Rig();
    await rig.pull(`disk,file=${rig.image('one.qcow2')}`);
    const spec = `disk,file=${other(rig)}`;
    const { exitCode } = await rig.run(['run', spec, '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(rig.entries()).toEqual([]);
  });

  test('the two in one command', async () => {
    await using rig = new Rig();
    const [one, two] = [rig.image('one.qcow2'), other(rig)];
    const { exitCode, stderr } = await rig.pull(`disk,file=${one}`, `disk,file=${two}`);
    expect(exitCode).not.toBe(0);
    for (const path of [one, two]) expect(stderr.text).toContain(path);
  });

  test('the two at once: one of them is retrieved, the other told', async () => {
    await using rig = new Rig();
    const [one, two] = [rig.image('one.qcow2'), other(rig)];
    const ended = await Promise.all([rig.pull(`disk,file=${one}`), rig.pull(`disk,file=${two}`)]);
    expect(ended.map(({ exitCode }) => exitCode).sort()).toEqual([0, 1]);
  });
});

describe('one source', () => {
  test('said in another way is the same', async () => {
    await using rig = new Rig();
    rig.write({ 'a/disk.qcow2': IMAGE });
    expect((await rig.pull('disk,file=a/disk.qcow2')).exitCode).toBe(0);
    expect((await rig.pull('disk,file=./a/../a/disk.qcow2')).exitCode).toBe(0);
    expect((await rig.pull(`disk,file=${rig.work}/a/disk.qcow2`)).exitCode).toBe(0);
  });

  test('a file that was moved, or lies in another checkout, is the same source while its bytes are', async () => {
    await using rig = new Rig();
    rig.write({ 'a/disk.qcow2': IMAGE, 'b/disk.qcow2': IMAGE });
    expect((await rig.pull('disk,file=a/disk.qcow2')).exitCode).toBe(0);
    for (const checkout of ['b', 'a', 'b']) {
      expect((await rig.pull(`disk,file=${checkout}/disk.qcow2`)).exitCode).toBe(0);
    }
    rig.write({ 'a/disk.qcow2': disk('qcow2', 2) });
    expect((await rig.pull('disk,file=a/disk.qcow2')).exitCode).toBe(1);
    rmSync(join(rig.work, 'a/disk.qcow2'));
    expect((await rig.pull('disk,file=a/disk.qcow2')).exitCode).toBe(1);
  });

  test('an image is used by its name alone, wherever it came from', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    await rig.pull(`disk,http=${server.serve('/one', IMAGE)}`);
    expect((await rig.run(['run', 'disk', '--cmd', 'true'])).exitCode).toBe(0);
  });
});

describe('an image without a record', () => {
  test('is used as it is, and what is asked for is not retrieved', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const spec = `${rig.stored()},http=${server.serve('/disk', IMAGE)}`;
    const { exitCode } = await rig.run(['run', spec, '--cmd', 'true']);
    expect(exitCode).toBe(0);
    expect(server.requests).toEqual([]);
  });

  test('a record that cannot be read counts as none', async () => {
    await using rig = new Rig();
    const [one, two] = [rig.image('one.qcow2'), other(rig)];
    const records = ['', '{', '[]', '{"source": 7}', 'null'];
    await rig.pull(...records.map((_record, at) => `disk${at},file=${one}`));
    for (const [at, record] of records.entries()) {
      const path = join(rig.backend, '.origin', `disk${at}.json`);
      rmSync(path);
      writeFileSync(path, record);
    }
    const { exitCode, stderr } = await rig.pull(...records.map((_record, at) => `disk${at},file=${two}`));
    expect(stderr.text).not.toContain('internal error');
    expect(exitCode).toBe(0);
  });

  test('an image that was removed by hand is retrieved again, from anywhere', async () => {
    await using rig = new Rig();
    await rig.pull(`disk,file=${rig.image('one.qcow2')}`);
    rmSync(join(rig.backend, 'disk'));
    expect((await rig.pull(`disk,file=${other(rig)}`)).exitCode).toBe(0);
    expect(rig.images).toEqual(['disk']);
    expect(readdirSync(join(rig.backend, '.origin'))).toEqual(['disk.json']);
  });
});

describe('sha256 in a Transientfile', () => {
  test('is of the bytes that were downloaded', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    writeProject(rig, server.serve('/disk', IMAGE), sha256(IMAGE));
    expect((await rig.run(['up'])).exitCode).toBe(0);
    expect(rig.images).toEqual(['base']);
  });

  test('another one refuses the image: both are shown, nothing is kept', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const other = sha256(Buffer.from('other'));
    writeProject(rig, server.serve('/disk', IMAGE), other);
    const { exitCode, stderr } = await rig.run(['up']);
    expect(exitCode).toBe(1);
    const [error, ...more] = errorsIn(stderr.text);
    expect(more).toEqual([]);
    for (const part of [other, sha256(IMAGE)]) expect(error).toContain(part);
    expect(rig.images).toEqual([]);
    expect(rig.unfinished).toEqual([]);
    expect(rig.entries()).toEqual([]);
  });

  test('that differs from the image of that name is an error', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const url = server.serve('/disk', IMAGE);
    await rig.pull(`base,http=${url}`);
    const other = sha256(Buffer.from('other'));
    writeProject(rig, url, other);
    const { exitCode, stderr } = await rig.run(['up']);
    expect(exitCode).toBe(1);
    const [error = ''] = errorsIn(stderr.text);
    for (const part of [other, sha256(IMAGE), 'transient image rm base']) expect(error).toContain(part);
  });

  test('in capitals is the same', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    writeProject(rig, server.serve('/disk', IMAGE), sha256(IMAGE).toUpperCase());
    expect((await rig.run(['up'])).exitCode).toBe(0);
  });

  test('that is none is reported before anything is done', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    writeProject(rig, server.serve('/disk', IMAGE), 'abc');
    const { exitCode, stderr } = await rig.run(['up']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toMatch(/Transientfile\.toml:3:\d+ error: .*sha256/);
    expect(server.requests).toEqual([]);
  });
});

function writeProject(rig: Rig, url: string, digest: string): void {
  rig.write({
    'Transientfile.toml': [
      '[images.base]',
      `source = "http=${url}"`,
      `sha256 = "${digest}"`,
      '[vms.one]',
      'image = "base"',
      'ssh-command = "true"',
    ].join('\n'),
  });
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
