import { once } from 'node:events';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compressed, disk, guestBytes } from '../rig/disks.ts';
import { errorsIn } from '../rig/errors.ts';
import { HttpServer, type Served } from '../rig/http-server.ts';
import { Rig } from '../rig/rig.ts';
import { until } from '../rig/until.ts';

const IMAGE = disk('qcow2');
const HALF = Math.floor(IMAGE.length / 2);
const QUICK_TO_STALL = { TRANSIENT_HTTP_IDLE_TIMEOUT: '0.5' };

/** A skippable frame of zstd (RFC 8878 section 3.1.2), larger than all buffers on the way together. */
const SKIPPED = Buffer.alloc((16 << 20) + 8);
SKIPPED.writeUInt32LE(0x184d2a50, 0);
SKIPPED.writeUInt32LE(16 << 20, 4);

/** One that takes a nap before it reads what it is to unpack. */
const SLOW_ZSTD = `#!/bin/sh
sleep 2
exec "$(PATH=\${PATH#*:} command -v zstd)" "$@"
`;

describe('an image from a web server', () => {
  test('is retrieved before the VM starts, and only once', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const url = server.serve('/disk.qcow2', IMAGE);
    const first = await rig.run(['run', `disk,http=${url}`, '--cmd', 'echo out']);
    const second = await rig.run(['run', `disk,http=${url}`, '--cmd', 'echo out']);
    expect([first.exitCode, second.exitCode]).toEqual([0, 0]);
    expect(first.stdout.text).toBe('out\n');
    const messages = [
      "Unable to find image 'disk' in backend",
      `Downloading image from '${url}'`,
      'Download completed. Starting image extraction.',
    ];
    expect(messages.filter((message) => !first.stderr.text.includes(message))).toEqual([]);
    expect(second.stderr.text).not.toContain('Downloading');
    expect(server.requests).toHaveLength(1);
  });

  test('one that is a qcow2 stays as it was, and is read-only', async () => {
    await using it = await pulled({ content: IMAGE });
    const { rig, exitCode } = it;
    expect(exitCode).toBe(0);
    expect(isWhole(rig)).toBe(true);
    expect(statSync(join(rig.backend, 'disk')).mode & 0o777).toBe(0o444);
    expect(rig.unfinished).toEqual([]);
  });

  test('a server that declares no length', async () => {
    await using it = await pulled({ content: IMAGE, chunked: true });
    const { rig, exitCode } = it;
    expect(exitCode).toBe(0);
    expect(isWhole(rig)).toBe(true);
  });
});

describe('redirects', () => {
  test('are followed, relative and absolute', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    await using other = await HttpServer.start();
    const url = server.serve('/one', { redirect: '/a/two' });
    server.serve('/a/two', { redirect: 'three?x=1' });
    server.serve('/a/three?x=1', { redirect: other.serve('/disk.qcow2', IMAGE) });
    expect((await rig.pull(`disk,http=${url}`)).exitCode).toBe(0);
    expect(isWhole(rig)).toBe(true);
    expect(server.requests.map(({ path }) => path)).toEqual(['/one', '/a/two', '/a/three?x=1']);
  });

  test.for([
    [10, 0],
    [11, 1],
  ] as const)('%i in a row end with %i', async ([count, code]) => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    for (let at = 0; at < count; at++) server.serve(`/${at}`, { redirect: `/${at + 1}` });
    server.serve(`/${count}`, IMAGE);
    expect((await rig.pull(`disk,http=${server.url('/0')}`)).exitCode).toBe(code);
    expect(server.requests.length).toBeLessThanOrEqual(11);
  });

  test('in a circle are an error', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const url = server.serve('/a', { redirect: '/b' });
    server.serve('/b', { redirect: '/a' });
    const { exitCode, stderr } = await rig.pull(`disk,http=${url}`);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([expect.stringMatching(/redirect/i)]);
  });

  test('to a file of the host are an error', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const url = server.serve('/a', { redirect: `file://${rig.image('mine.qcow2')}` });
    const { exitCode, stderr } = await rig.pull(`disk,http=${url}`);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toHaveLength(1);
    expect(rig.images).toEqual([]);
  });
});

describe('a body that breaks off', () => {
  test('is gone on with where it broke off', async () => {
    await using it = await pulled({
      content: IMAGE,
      etag: '"1"',
      cut: { after: Math.ceil(IMAGE.length / 8) },
    });
    const { rig, server, exitCode } = it;
    expect(exitCode).toBe(0);
    expect(isWhole(rig)).toBe(true);
    // all that was received is kept
    expect(server.requests).toHaveLength(8);
    expect(sum(server.requests.map(({ sent: bytes }) => bytes))).toBe(IMAGE.length);
    expect(new Set(server.requests.slice(1).map(({ headers }) => headers['if-range']))).toEqual(
      new Set(['"1"']),
    );
  });

  test('however small the pieces are in which it comes', async () => {
    const content = compressed(guestBytes().fill(0, 16_384), 'gzip');
    await using it = await pulled({ content, etag: '"1"', cut: { after: Math.ceil(content.length / 20) } });
    expect(it.exitCode).toBe(0);
    expect(it.rig.images).toEqual(['disk']);
  });

  test('Last-Modified serves where there is no ETag', async () => {
    const lastModified = 'Wed, 01 Jan 2025 00:00:00 GMT';
    await using it = await pulled({
      content: IMAGE,
      lastModified,
      cut: { after: HALF, times: 1 },
    });
    const { rig, server, exitCode } = it;
    expect(exitCode).toBe(0);
    expect(server.requests.map(({ sent }) => sent)).toEqual([HALF, IMAGE.length - HALF]);
    expect(server.requests[1]?.headers['if-range']).toBe(lastModified);
    expect(isWhole(rig)).toBe(true);
  });

  test('from a server without ranges begins anew', async () => {
    await using it = await pulled({
      content: IMAGE,
      ranges: false,
      etag: '"1"',
      cut: { after: HALF, times: 2 },
    });
    const { rig, server, exitCode } = it;
    expect(exitCode).toBe(0);
    expect(server.requests.map(({ sent }) => sent)).toEqual([HALF, HALF, IMAGE.length]);
    expect(isWhole(rig)).toBe(true);
  });

  test('again and again at the same place is given up after five tries', async () => {
    await using it = await pulled(
      { content: IMAGE, ranges: false, cut: { after: HALF } },
      { resumable: true },
    );
    const { rig, server, exitCode, stderr } = it;
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr)).toEqual([expect.stringContaining(server.url('/disk'))]);
    expect(server.requests.length).toBeGreaterThanOrEqual(5);
    expect(server.requests.length).toBeLessThanOrEqual(6);
    expect(rig.images).toEqual([]);
  });

  test('and is another thing afterwards is retrieved anew', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const other = disk('qcow2', 2);
    const url = server.serve('/disk', { content: other, etag: '"old"', cut: { after: HALF, times: 1 } });
    const program = rig.start(['image', 'pull', `disk,http=${url}`], {
      env: { TRANSIENT_HTTP_RETRY_DELAY: '0.3' },
    });
    await sent(server, HALF);
    server.serve('/disk', { content: IMAGE, etag: '"new"' });
    expect((await program.ended).exitCode).toBe(0);
    expect(server.requests.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(isWhole(rig)).toBe(true);
  });

  test('two things are not joined, though the server would', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const other = disk('qcow2', 2);
    const url = server.serve('/disk', { content: other, etag: '"old"', cut: { after: HALF, times: 1 } });
    const program = rig.start(['image', 'pull', `disk,http=${url}`], {
      env: { TRANSIENT_HTTP_RETRY_DELAY: '0.3' },
    });
    await sent(server, HALF);
    server.serve('/disk', { content: IMAGE, etag: '"new"', ignoresIfRange: true });
    await program.ended;
    expect(rig.images.filter(() => !isWhole(rig))).toEqual([]);
  });

  test('a part that is not the one asked for is not taken for it', async () => {
    await using it = await pulled(
      { content: IMAGE, etag: '"1"', wrongRange: true, cut: { after: HALF, times: 1 } },
      { resumable: true },
    );
    const { rig } = it;
    expect(rig.images.filter(() => !isWhole(rig))).toEqual([]);
  });

  test('one that stands still is asked for again', async () => {
    await using it = await pulled(
      { content: IMAGE, etag: '"1"', stall: { after: HALF, times: 2 } },
      { env: QUICK_TO_STALL },
    );
    const { rig, server, exitCode } = it;
    expect(exitCode).toBe(0);
    expect(sum(server.requests.map(({ sent }) => sent))).toBe(IMAGE.length);
    expect(isWhole(rig)).toBe(true);
  });

  test('a server that answers and sends nothing is given up, and each try is reported', async () => {
    await using it = await pulled(
      { content: IMAGE, stall: { after: 0 } },
      { env: QUICK_TO_STALL, resumable: true },
    );
    const { server, exitCode, stderr } = it;
    const url = server.url('/disk');
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr)).toEqual([
      expect.stringContaining(`error: cannot download ${url}: nothing came for 0.5 s\n`),
    ]);
    expect(triesIn(stderr)).toEqual(
      [2, 3, 4, 5].map((n) => `Download of ${url}: nothing came for 0.5 s; retrying (${n} of 5)`),
    );
  });

  test.for<[string, (url: string) => string]>([
    ['a server', (url) => `disk,http=${url}`],
    ['a registry', (url) => `disk,vagrant=${url}:1.0`],
  ])('%s that accepts and never answers is given up', async ([, specOf]) => {
    await using rig = new Rig({ env: QUICK_TO_STALL, resumable: true });
    await using silent = await listening(() => undefined);
    const { exitCode, stderr } = await rig.pull(specOf(silent.url));
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([
      expect.stringContaining(`error: cannot download ${silent.url}: no response within 0.5 s\n`),
    ]);
    expect(triesIn(stderr.text)).toHaveLength(4);
  });

  test('one that trickles is as good as silent', async () => {
    await using it = await pulled(
      { content: IMAGE, etag: '"1"', rate: 200 },
      { env: QUICK_TO_STALL, resumable: true },
    );
    const { exitCode, stderr } = it;
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr)).toEqual([expect.stringMatching(/: only \d+ bytes came in 0\.5 s\n/)]);
    expect(triesIn(stderr)).toHaveLength(4);
  });

  test('one that is slow, and not too slow, is waited for', async () => {
    const content = compressed(guestBytes().fill(0, 512), 'gzip');
    await using it = await pulled({ content, rate: 2000 }, { env: QUICK_TO_STALL });
    expect(it.exitCode).toBe(0);
    expect(triesIn(it.stderr)).toEqual([]);
  });

  test('one that always breaks after a few bytes is given up', async () => {
    await using it = await pulled(
      { content: IMAGE, etag: '"1"', cut: { after: 10 } },
      { env: { TRANSIENT_HTTP_RETRY_DELAY: '0.1' }, resumable: true },
    );
    expect(it.exitCode).toBe(1);
    expect(it.server.requests).toHaveLength(5);
    expect(triesIn(it.stderr)[1]).toContain(`the connection was closed after 20 of ${IMAGE.length} bytes`);
  });

  test('our own slowness is none of the server', async () => {
    await using rig = new Rig({ env: QUICK_TO_STALL });
    await using server = await HttpServer.start();
    const bin = join(rig.home, 'bin');
    mkdirSync(bin);
    // more than a socket and a pipe hold, and a program that looks at it only after a while
    writeFileSync(join(bin, 'zstd'), SLOW_ZSTD, { mode: 0o755 });
    const content = compressed(guestBytes(), 'zstd');
    const url = server.serve('/disk.zst', { content: Buffer.concat([content, SKIPPED]) });
    const env = { PATH: `${bin}:${rig.environment['PATH'] ?? ''}` };
    const { exitCode, stderr } = await rig.run(['image', 'pull', `disk,http=${url}`], { env });
    expect(exitCode).toBe(0);
    expect(triesIn(stderr.text)).toEqual([]);
  });

  test('all was there but the end: the next attempt finds nothing left to ask for', async () => {
    await using it = await pulled({
      content: IMAGE,
      etag: '"1"',
      chunked: true,
      cut: { after: IMAGE.length, times: 1 },
    });
    const { rig, exitCode } = it;
    expect(exitCode).toBe(0);
    expect(isWhole(rig)).toBe(true);
  });
});

describe('a server that lies about the length', () => {
  test.for([
    ['more', IMAGE.length + 1000],
    ['less', HALF],
  ] as const)('%s than there is', async ([, claims]) => {
    await using it = await pulled({ content: IMAGE, ranges: false, claims }, { resumable: true });
    const { rig, exitCode, stderr } = it;
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr)).toHaveLength(1);
    expect(stderr).not.toContain('internal error');
    expect(rig.images).toEqual([]);
  });
});

describe('a status', () => {
  test('that will not pass ends it at once', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const statuses = [401, 403, 404, 410, 501];
    const { exitCode, stderr } = await rig.pull(...answering(server, statuses));
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text).sort()).toEqual(statuses.map((status) => errorAbout(server, status)));
    expect(server.requests).toHaveLength(statuses.length);
    expect(rig.unfinished).toEqual([]);
  });

  test('those that pass are waited for', async () => {
    const statuses = [500, 429, 503, 408];
    await using it = await pulled({ content: IMAGE, statuses });
    const { server, exitCode } = it;
    expect(exitCode).toBe(0);
    expect(server.requests.map(({ status }) => status)).toEqual([...statuses, 200]);
  });

  test('that may be temporary and is not is reported after five tries', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const statuses = [408, 429, 500, 502, 503, 504];
    const { exitCode, stderr } = await rig.pull(...answering(server, statuses));
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text).sort()).toEqual(statuses.map((status) => errorAbout(server, status)));
    const counts = statuses.map((status) => server.requestsFor(`/${status}`).length);
    expect(counts).toEqual(statuses.map(() => 5));
  });
});

describe('no server at the address', () => {
  test.for<[string, string]>([
    ['the connection was closed before a response arrived', ''],
    ['the server does not speak HTTP', 'SSH-2.0-OpenSSH_9.2p1\r\n'],
  ])('%s', async ([reason, answer]) => {
    await using rig = new Rig({ resumable: true });
    await using odd = await listening((socket) => void socket.end(answer));
    const { stderr } = await rig.pull(`disk,http=${odd.url}`);
    expect(errorsIn(stderr.text)).toEqual([
      expect.stringContaining(`error: cannot download ${odd.url}: ${reason}\n`),
    ]);
    expect(triesIn(stderr.text)).toHaveLength(4);
  });

  test('the URL and the reason are reported', async () => {
    await using rig = new Rig({ resumable: true });
    const gone = await HttpServer.start();
    const url = gone.url('/disk');
    await gone[Symbol.asyncDispose]();
    const { exitCode, stderr } = await rig.pull(`disk,http=${url}`);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([expect.stringContaining(url)]);
    expect(stderr.text).toMatch(/refused/i);
  });

  test.for(['http=nothing', 'http=ftp://host/disk', 'http=http://', 'http=http:///x'])(
    '%s is no address',
    async (source) => {
      await using rig = new Rig();
      const { exitCode, stderr } = await rig.pull(`disk,${source}`);
      expect([1, 2]).toContain(exitCode);
      expect(errorsIn(stderr.text)).toHaveLength(1);
      expect(stderr.text).not.toContain('internal error');
    },
  );
});

describe('while it downloads', () => {
  test.for([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends it with %i and the next attempt goes on', async ([signal, code]) => {
    await using rig = new Rig({ resumable: true });
    await using server = await HttpServer.start();
    const url = server.serve('/disk', { content: IMAGE, etag: '"1"', stall: { after: HALF, times: 1 } });
    const program = rig.start(['image', 'pull', `disk,http=${url}`]);
    await rig.downloaded('disk', HALF);
    program.signalGroup(signal);
    expect((await program.ended).exitCode).toBe(code);
    expect(rig.images).toEqual([]);
    expect((await rig.pull(`disk,http=${url}`)).exitCode).toBe(0);
    expect(server.requests.map(({ range }) => range)).toEqual([undefined, `bytes=${HALF}-`]);
    expect(isWhole(rig)).toBe(true);
    expect(rig.unfinished).toEqual([]);
  });
});

/** Image specs of URLs that answer with these statuses, always. */
function answering(server: HttpServer, statuses: readonly number[]): string[] {
  return statuses.map((status) => {
    const url = server.serve(`/${status}`, { statuses: new Array<number>(9).fill(status) });
    return `disk${status},http=${url}`;
  });
}

/** Matches the error about a URL of {@link answering}. */
function errorAbout(server: HttpServer, status: number): unknown {
  const url = server.url(`/${status}`).replaceAll('.', '\\.');
  return expect.stringMatching(new RegExp(`${url}\\b.*\\b${status}\\b`));
}

interface Pulled extends AsyncDisposable {
  readonly rig: Rig;
  readonly server: HttpServer;
  readonly exitCode: number | null;
  readonly stderr: string;
}

/** Retrieves the image `disk` from a server that behaves so. */
async function pulled(
  served: Served,
  options: { env?: NodeJS.ProcessEnv; resumable?: boolean } = {},
): Promise<Pulled> {
  const rig = new Rig(options);
  const server = await HttpServer.start();
  const url = server.serve('/disk', served);
  const { exitCode, stderr } = await rig.pull(`disk,http=${url}`);
  return {
    rig,
    server,
    exitCode,
    stderr: stderr.text,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await rig[Symbol.asyncDispose]();
    },
  };
}

/** Waits until the server has sent so much of an answer. */
async function sent(server: HttpServer, bytes: number): Promise<void> {
  await until('bytes that were sent', () => server.requests.some((request) => request.sent === bytes));
}

/** A listener that does with each connection as it likes. */
async function listening(
  serve: (socket: Socket) => void,
): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((socket) => {
    // read to its end, or its close would never come
    socket.on('error', () => undefined).resume();
    serve(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/disk`,
    [Symbol.asyncDispose]: async () => {
      await once(server.close(), 'close');
    },
  };
}

/** The lines that tell of tries that failed. */
function triesIn(stderr: string): string[] {
  return stderr.split('\n').filter((line) => line.includes('; retrying ('));
}

function isWhole(rig: Rig): boolean {
  return readFileSync(join(rig.backend, 'disk')).equals(IMAGE);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((one, other) => one + other, 0);
}
