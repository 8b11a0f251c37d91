import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { compressed, disk, holds } from '../rig/disks.ts';
import { errorsIn } from '../rig/errors.ts';
import { HttpServer } from '../rig/http-server.ts';
import { libvirtBox } from '../rig/registry.ts';
import { Rig } from '../rig/rig.ts';
import { join } from 'node:path';

const IMAGE = disk('qcow2');
const GZIP = { 'Content-Encoding': 'gzip' };

test.for([[false], [true]])(
  'an answer without a body is reported as that (chunked: %s)',
  async ([chunked]) => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const url = server.serve('/disk', { content: Buffer.alloc(0), chunked: chunked === true });
    const { exitCode, stderr } = await rig.pull(`disk,http=${url}`);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([
      expect.stringContaining(`${url} is not a usable disk image: it is empty`),
    ]);
    expect(rig.unfinished).toEqual([]);
  },
);

describe('what a server compresses for the way', () => {
  test.for<[string, Buffer]>([
    ['a disk', IMAGE],
    ['a raw disk', disk('raw')],
    ['a disk that is compressed by itself', compressed(IMAGE, 'xz')],
    ['a box', compressed(libvirtBox(), 'gzip')],
  ])('%s', async ([, content]) => {
    await using it = await upWith(gzipSync(content), content);
    expect(it.exitCode).toBe(0);
    expect(holds(join(it.rig.backend, 'disk'))).toBe(true);
  });

  test('its sum may be that of the file as it came', async () => {
    const content = gzipSync(disk('raw'));
    await using it = await upWith(content, content);
    expect(it.exitCode).toBe(0);
    expect(holds(join(it.rig.backend, 'disk'))).toBe(true);
  });

  test('it has one of both', async () => {
    await using it = await upWith(gzipSync(IMAGE), Buffer.from('another'));
    expect(it.exitCode).toBe(1);
    expect(it.rig.images).toEqual([]);
  });

  test('a server that declares the encoding of what it sends as it is', async () => {
    await using it = await upWith(IMAGE, IMAGE);
    expect(it.exitCode).toBe(0);
  });

  test('a download that broke off is gone on with', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const content = gzipSync(IMAGE);
    const cut = { after: Math.floor(content.length / 2), times: 1 };
    const url = server.serve('/disk', { content, headers: GZIP, etag: '"1"', cut });
    expect((await rig.pull(`disk,http=${url}`)).exitCode).toBe(0);
    expect(holds(join(rig.backend, 'disk'))).toBe(true);
    expect(server.requests).toHaveLength(2);
  });

  test('a catalogue', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const content = gzipSync(catalogText({}));
    server.serve('/catalog', { content, headers: GZIP });
    server.serve('/box', libvirtBox());
    expect((await rig.pull(`disk,vagrant=${server.url('/catalog')}:1`)).exitCode).toBe(0);
  });

  test('a catalogue that is a bomb', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const url = server.serve('/catalog', { content: gzipSync(Buffer.alloc(17 << 20)), headers: GZIP });
    const { exitCode, stderr } = await rig.pull(`disk,vagrant=${url}:1`);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([expect.stringContaining(`${url} is larger than`)]);
  });
});

describe('metadata as people write it', () => {
  const sum = createHash('sha256').update(libvirtBox()).digest('hex');

  test.for<[string, string]>([
    ['with a byte order mark', `\uFEFF${catalogText({})}`],
    ['with x86_64 for amd64', catalogText({ architecture: 'x86_64' })],
    ['with blanks around its sum', catalogText({ checksum: ` ${sum}\n`, checksum_type: ' SHA256 ' })],
  ])('%s', async ([, text]) => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    server.serve('/catalog', Buffer.from(text));
    server.serve('/box', libvirtBox());
    rig.write({ 'catalog.json': text.replace('/box', server.url('/box')) });
    const { exitCode } = await rig.pull(
      `served,vagrant=${server.url('/catalog')}:1`,
      `read,vagrant=${join(rig.work, 'catalog.json')}:1`,
    );
    expect(exitCode).toBe(0);
    expect(rig.images).toEqual(['read', 'served']);
  });
});

function catalogText(more: object): string {
  return JSON.stringify({
    versions: [{ version: '1', providers: [{ name: 'libvirt', url: '/box', ...more }] }],
  });
}

/** Runs a VM of an image with the sum of `whole`, which a server sends as `content` and says that it is compressed. */
async function upWith(
  content: Buffer,
  whole: Buffer,
): Promise<AsyncDisposable & { readonly rig: Rig; readonly exitCode: number | null }> {
  const rig = new Rig();
  await using server = await HttpServer.start();
  const url = server.serve('/disk', { content, headers: GZIP });
  const sum = createHash('sha256').update(whole).digest('hex');
  rig.write({
    'Transientfile.toml': `[images.disk]\nsource = "http=${url}"\nsha256 = "${sum}"\n\n[vms.vm]\nimage = "disk"\nssh-command = "true"\n`,
  });
  const { exitCode } = await rig.run(['up']);
  return { rig, exitCode, [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose]() };
}
