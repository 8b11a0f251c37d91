import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compressed, disk, holds } from '../rig/disks.ts';
import { Gate } from '../rig/gate.ts';
import { HttpServer } from '../rig/http-server.ts';
import { Rig } from '../rig/rig.ts';

const IMAGE = disk('qcow2');
const HALF = Math.floor(IMAGE.length / 2);

describe('the same image', () => {
  test('twenty processes that want it make one download', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const gate = new Gate();
    const spec = `disk,http=${server.serve('/disk', { content: IMAGE, gate: { after: HALF, gate } })}`;
    const programs = Array.from({ length: 20 }, () => rig.start(['image', 'pull', spec]));
    await Promise.all(programs.map((program) => program.waitFor(/Unable to find image/)));
    gate.open();
    const ended = await Promise.all(programs.map((program) => program.ended));
    expect(ended.map(({ exitCode }) => exitCode)).toEqual(programs.map(() => 0));
    expect(server.requests).toHaveLength(1);
    expect(holds(join(rig.backend, 'disk'))).toBe(true);
    expect(rig.unfinished).toEqual([]);
  });

  test('the second process says which one it waits for', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const gate = new Gate();
    const spec = `disk,http=${server.serve('/disk', { content: IMAGE, gate: { after: HALF, gate } })}`;
    const first = rig.start(['image', 'pull', spec]);
    await gate.reached;
    const second = rig.start(['image', 'pull', spec]);
    await second.waitFor(
      /Waiting for process \d+, which is retrieving image 'disk' \(for \d+\.\d s so far\)/,
    );
    expect(second.stderr.text).toContain(`Waiting for process ${first.pid},`);
    gate.open();
    expect((await second.ended).exitCode).toBe(0);
  });

  test('named twice in one command is retrieved once', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const spec = `disk,http=${server.serve('/disk', IMAGE)}`;
    expect((await rig.pull(spec, spec)).exitCode).toBe(0);
    expect(server.requests).toHaveLength(1);
  });

  test('where the first is refused, the next one tries for itself', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const gate = new Gate();
    const content = Buffer.from('<html></html>');
    const spec = `disk,http=${server.serve('/disk', { content, gate: { after: 4, gate } })}`;
    const first = rig.start(['image', 'pull', spec]);
    await gate.reached;
    const second = rig.start(['image', 'pull', spec]);
    await second.waitFor(/Unable to find image/);
    server.serve('/disk', IMAGE);
    gate.open();
    expect((await first.ended).exitCode).toBe(1);
    expect((await second.ended).exitCode).toBe(0);
    expect(holds(join(rig.backend, 'disk'))).toBe(true);
  });
});

describe('different images', () => {
  test('are retrieved at the same time by one command', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const gates = [new Gate(), new Gate(), new Gate()];
    const specs = gates.map(
      (gate, at) =>
        `disk${at},http=${server.serve(`/${at}`, { content: IMAGE, gate: { after: HALF, gate } })}`,
    );
    const program = rig.start(['image', 'pull', ...specs]);
    await Promise.all(gates.map((gate) => gate.reached));
    for (const gate of gates) gate.open();
    expect((await program.ended).exitCode).toBe(0);
    expect(rig.images).toEqual(['disk0', 'disk1', 'disk2']);
  });

  test('are retrieved at the same time by up', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const gates = [new Gate(), new Gate()];
    const tables = gates.map((gate, at) => {
      const url = server.serve(`/${at}`, { content: IMAGE, gate: { after: HALF, gate } });
      return `[vms.vm${at}]\nimage = "disk${at},http=${url}"\nssh-command = "true"\n`;
    });
    rig.write({ 'Transientfile.toml': tables.join('\n') });
    const program = rig.start(['up']);
    await Promise.all(gates.map((gate) => gate.reached));
    for (const gate of gates) gate.open();
    expect((await program.ended).exitCode).toBe(0);
  });

  test('one that fails leaves the others alone', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const gate = new Gate();
    const good = server.serve('/good', { content: IMAGE, gate: { after: HALF, gate } });
    const program = rig.start(['image', 'pull', `bad,http=${server.url('/none')}`, `good,http=${good}`]);
    await program.waitFor(/bad: failed/);
    gate.open();
    expect((await program.ended).exitCode).toBe(1);
    expect(rig.images).toEqual(['good']);
  });
});

describe('a process that is killed', () => {
  test('leaves a download that the next one goes on with', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const packed = compressed(IMAGE, 'xz');
    const half = Math.floor(packed.length / 2);
    const served = { content: packed, etag: '"1"', stall: { after: half, times: 1 } };
    const spec = `disk,http=${server.serve('/disk', served)}`;
    const program = rig.start(['image', 'pull', spec]);
    await rig.downloaded('disk', half);
    await program.kill();
    expect(rig.images).toEqual([]);
    expect((await rig.pull(spec)).exitCode).toBe(0);
    const [, next, ...more] = server.requests;
    expect(more).toEqual([]);
    expect(next).toMatchObject({ range: `bytes=${half}-`, status: 206, sent: packed.length - half });
    expect(next?.headers['if-range']).toBe('"1"');
    expect(readFileSync(join(rig.backend, 'disk')).equals(IMAGE)).toBe(true);
    expect(rig.unfinished).toEqual([]);
  });

  test('whose image has changed since: it is retrieved anew', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const old = { content: disk('qcow2', 2), etag: '"old"', stall: { after: HALF, times: 1 } };
    const spec = `disk,http=${server.serve('/disk', old)}`;
    const program = rig.start(['image', 'pull', spec]);
    await rig.downloaded('disk', HALF);
    await program.kill();
    server.serve('/disk', { content: IMAGE, etag: '"new"' });
    expect((await rig.pull(spec)).exitCode).toBe(0);
    expect(server.requests.at(-1)).toMatchObject({ status: 200, sent: IMAGE.length });
    expect(readFileSync(join(rig.backend, 'disk')).equals(IMAGE)).toBe(true);
  });

  test('of a server that gives the file no mark: it is retrieved anew', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const served = { content: IMAGE, stall: { after: HALF, times: 1 } };
    const spec = `disk,http=${server.serve('/disk', served)}`;
    const program = rig.start(['image', 'pull', spec]);
    await rig.downloaded('disk', HALF);
    await program.kill();
    expect((await rig.pull(spec)).exitCode).toBe(0);
    expect(server.requests.map(({ range }) => range)).toEqual([undefined, undefined]);
    expect(readFileSync(join(rig.backend, 'disk')).equals(IMAGE)).toBe(true);
  });

  test('its download is not taken for that of another source', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const other = { content: disk('qcow2', 2), etag: '"1"', stall: { after: HALF, times: 1 } };
    const program = rig.start(['image', 'pull', `disk,http=${server.serve('/other', other)}`]);
    await rig.downloaded('disk', HALF);
    await program.kill();
    const url = server.serve('/disk', { content: IMAGE, etag: '"1"' });
    expect((await rig.pull(`disk,http=${url}`)).exitCode).toBe(0);
    expect(readFileSync(join(rig.backend, 'disk')).equals(IMAGE)).toBe(true);
  });

  test('the one that waited for it takes over', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const served = { content: IMAGE, etag: '"1"', stall: { after: HALF, times: 1 } };
    const args = ['image', 'pull', `disk,http=${server.serve('/disk', served)}`];
    const first = rig.start(args);
    await rig.downloaded('disk', HALF);
    const second = rig.start(args);
    await second.waitFor(/Unable to find image/);
    await first.kill();
    expect((await second.ended).exitCode).toBe(0);
    expect(server.requests.map(({ range }) => range)).toEqual([undefined, `bytes=${HALF}-`]);
    // the next run removes the run directory of the killed one
    await rig.run(args);
  });

  test.for(['{', '', '{"etag": 7}', '[]'])('a download whose note says %s is begun anew', async (note) => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const spec = `disk,http=${server.serve('/disk', { content: IMAGE, etag: '"1"' })}`;
    plant(rig, 'disk', { download: 'x'.repeat(1000), 'download.json': note });
    expect((await rig.pull(spec)).exitCode).toBe(0);
    expect(readFileSync(join(rig.backend, 'disk')).equals(IMAGE)).toBe(true);
  });
});

describe('what dead processes left', () => {
  test('is swept, but for downloads that can be gone on with', async () => {
    await using rig = new Rig({ resumable: true });
    const kept = { download: 'x'.repeat(1000), 'download.json': '{}' };
    plant(rig, 'other', { ...kept, disk: 'x', 'box.img': 'x' });
    writeFileSync(join(rig.backend, '.working', 'other%lock'), '');
    expect((await rig.pull(`disk,file=${rig.image('disk.qcow2')}`)).exitCode).toBe(0);
    expect(rig.unfinished.filter((path) => !/^other\/(download(\.json)?)?$/.test(path))).toEqual([]);
  });

  test('what a living one is at is not', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const gate = new Gate();
    const packed = compressed(IMAGE, 'gzip');
    const half = Math.floor(packed.length / 2);
    const url = server.serve('/disk', { content: packed, gate: { after: half, gate } });
    const program = rig.start(['image', 'pull', `slow,http=${url}`]);
    await rig.downloaded('slow', half);
    expect((await rig.pull(`quick,file=${rig.image('quick.qcow2')}`)).exitCode).toBe(0);
    expect(existsSync(join(rig.backend, '.working', 'slow'))).toBe(true);
    gate.open();
    expect((await program.ended).exitCode).toBe(0);
    expect(statSync(join(rig.backend, 'slow')).isFile()).toBe(true);
  });
});

function plant(rig: Rig, image: string, files: Readonly<Record<string, string>>): void {
  const directory = join(rig.backend, '.working', image);
  mkdirSync(directory, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
}
