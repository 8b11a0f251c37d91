import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { disk } from '../rig/disks.ts';
import { errorsIn } from '../rig/errors.ts';
import { HttpServer } from '../rig/http-server.ts';
import { Rig } from '../rig/rig.ts';

const MIB = 1024 * 1024;

describe('image ls', () => {
  test('shows name and sizes', async () => {
    await using rig = new Rig();
    rig.stored('generic/alpine38:v3.0.2');
    rig.stored('other');
    const { exitCode, stdout, stderr } = await rig.run(['image', 'ls']);
    expect(exitCode).toBe(0);
    const lines = stdout.text.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(stdout.text).toMatch(/^generic\/alpine38:v3\.0\.2 .*\b1(\.0)? M(i)?B/m);
    expect(stdout.text).toMatch(/^other /m);
    expect(stderr.text).toBe('');
  });

  test('--json shows bytes and times', async () => {
    await using rig = new Rig();
    rig.stored('generic/alpine38:v3.0.2');
    const { stdout } = await rig.run(['image', 'ls', '--json']);
    const found = statSync(join(rig.backend, 'generic%2Falpine38%3Av3.0.2'));
    const [image, ...more] = JSON.parse(stdout.text) as Record<string, unknown>[];
    expect(more).toEqual([]);
    expect(image).toEqual({
      name: 'generic/alpine38:v3.0.2',
      virtualSize: MIB,
      realSize: found.blocks * 512,
      added: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/) as string,
    });
  });

  test.for([[], ['--json']])('of an empty backend, or of none %j', async (flags) => {
    await using rig = new Rig();
    const none = { env: { TRANSIENT_BACKEND: join(rig.root, 'none') } };
    for (const options of [{}, none]) {
      const { exitCode, stdout } = await rig.run(['image', 'ls', ...flags], options);
      expect(exitCode).toBe(0);
      if (flags.length > 0) expect(JSON.parse(stdout.text)).toEqual([]);
    }
  });

  test('does not list unfinished images, or what is none', async () => {
    await using rig = new Rig();
    await rig.pull(`disk,file=${rig.image('disk.qcow2')}`);
    rig.stored('test');
    mkdirSync(join(rig.backend, '.working', 'other'), { recursive: true });
    mkdirSync(join(rig.backend, '.mine'));
    const { exitCode, stdout } = await rig.run(['image', 'ls', '--json']);
    expect(exitCode).toBe(0);
    expect((JSON.parse(stdout.text) as { name: string }[]).map(({ name }) => name)).toEqual(['disk', 'test']);
    execFileSync('rm', ['-r', join(rig.backend, '.working', 'other')]);
  });

  test('goes on past an image that is broken', async () => {
    await using rig = new Rig();
    rig.stored('good');
    writeFileSync(join(rig.backend, 'bad'), Buffer.from('514649fb00000003', 'hex'), { mode: 0o444 });
    const { stdout, stderr } = await rig.run(['image', 'ls', '--json']);
    expect(stdout.text).toContain('"good"');
    expect(stderr.text).not.toContain('internal error');
  });

  test('--image-backend names another', async () => {
    await using rig = new Rig();
    rig.stored();
    const { stdout } = await rig.run(['image', 'ls', '--json', '--image-backend', rig.work]);
    expect(JSON.parse(stdout.text)).toEqual([]);
  });
});

describe('image pull', () => {
  test('fetches several, and those that are there not again', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const url = server.serve('/disk', disk('qcow2'));
    const file = rig.image('file.raw', 'raw');
    const first = await rig.pull(`web,http=${url}`, `file,file=${file}`);
    const second = await rig.pull(`web,http=${url}`, `file,file=${file}`);
    expect([first.exitCode, second.exitCode]).toEqual([0, 0]);
    expect(first.stdout.text).toBe('');
    expect(rig.images).toEqual(['file', 'web']);
    expect(server.requests).toHaveLength(1);
    expect(rig.entries()).toEqual([]);
  });

  test('of a name without a source is an error', async () => {
    await using rig = new Rig();
    const { exitCode, stderr } = await rig.pull('disk');
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([
      expect.stringContaining("Unable to find image 'disk' in backend"),
    ]);
  });

  test('of nothing is a bad command line', async () => {
    await using rig = new Rig();
    expect((await rig.pull()).exitCode).toBe(2);
  });

  test('shows how far it is, in lines, where there is no terminal', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const url = server.serve('/disk', disk('qcow2'));
    const { stderr } = await rig.pull(`disk,http=${url}`);
    expect(stderr.text).not.toContain('\u001B');
    expect(stderr.text).not.toContain('\r');
  });
});

describe('image rm', () => {
  test('removes images', async () => {
    await using rig = new Rig();
    const names = [rig.stored('one'), rig.stored('generic/alpine38:v3.0.2')];
    rig.stored('three');
    expect((await rig.run(['image', 'rm', ...names])).exitCode).toBe(0);
    expect(rig.images).toEqual(['three']);
  });

  test('of a name that is none is an error', async () => {
    await using rig = new Rig();
    rig.stored('one');
    const { exitCode, stderr } = await rig.run(['image', 'rm', 'none']);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([expect.stringContaining('none')]);
    expect(rig.images).toEqual(['one']);
  });

  test.for(['.working', '..', '../work', '.origin'])('removes nothing but images: %s', async (name) => {
    await using rig = new Rig();
    await rig.pull(`disk,file=${rig.image('disk.qcow2')}`);
    const { exitCode, stderr } = await rig.run(['image', 'rm', '--force', name]);
    expect([1, 2]).toContain(exitCode);
    expect(stderr.text).not.toContain('internal error');
    expect((await rig.pull(`disk,file=${join(rig.work, 'disk.qcow2')}`)).exitCode).toBe(0);
  });

  test.for([
    ['by its path', (rig: Rig) => join(rig.backend, 'test')],
    ['by a roundabout path', (rig: Rig) => `${rig.root}/./vmstore/../backend/test`],
    ['by a relative path', () => '../../backend/test'],
  ] as const)("is refused while a VM's disk is backed by it, %s", async ([, backing]) => {
    await using rig = new Rig();
    makeVm(rig, 'shop', rig.stored('test'), backing(rig));
    const { exitCode, stderr } = await rig.run(['image', 'rm', 'test']);
    expect(exitCode).toBe(1);
    const [error, ...more] = errorsIn(stderr.text);
    expect(more).toEqual([]);
    expect(error).toContain("Backend 'test' is in use by");
    expect(error).toContain('shop');
    expect(rig.images).toEqual(['test']);
  });

  test('--force warns and removes it', async () => {
    await using rig = new Rig();
    makeVm(rig, 'shop', rig.stored('test'));
    const { exitCode, stderr } = await rig.run(['image', 'rm', '-f', 'test']);
    expect(exitCode).toBe(0);
    expect(stderr.text).toMatch(/warning: .*shop/);
    expect(rig.images).toEqual([]);
  });

  test('a VM of another image, or things that are no VM, do not hinder', async () => {
    await using rig = new Rig();
    rig.stored('test');
    makeVm(rig, 'shop', rig.stored('other'));
    mkdirSync(join(rig.vmstore, 'empty'));
    writeFileSync(join(rig.vmstore, 'file'), 'x');
    mkdirSync(join(rig.vmstore, 'broken'));
    writeFileSync(join(rig.vmstore, 'broken', 'broken-0-test'), 'x');
    expect((await rig.run(['image', 'rm', 'test'])).exitCode).toBe(0);
    expect(rig.images).toEqual(['other']);
  });
});

/** A VM of the store, as the Python transient makes it, with one disk. */
function makeVm(rig: Rig, vm: string, image: string, backing = join(rig.backend, image)): void {
  const directory = join(rig.vmstore, vm);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'config'), `name = "${vm}"\n`);
  const path = join(directory, `${vm}-0-${image}`);
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', backing, path]);
}
