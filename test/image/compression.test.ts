import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Compression, compressed, disk, holds } from '../rig/disks.ts';
import { errorsIn } from '../rig/errors.ts';
import { HttpServer } from '../rig/http-server.ts';
import { pathWithout } from '../rig/path-without.ts';
import type { Ended } from '../rig/program.ts';
import { Rig } from '../rig/rig.ts';
import { tar } from '../rig/tar.ts';

const COMPRESSIONS: readonly Compression[] = ['gzip', 'bzip2', 'xz', 'zstd'];
const XZ = ['xz', 'unxz', 'xzcat', 'lzma', 'unlzma', 'xzdec'];

describe.for([
  ['with xz on PATH', []],
  ['without xz', XZ],
] as const)('compressed images, %s', ([, missing]) => {
  test('whatever the compression, told by its first bytes', async () => {
    await using rig = new Rig();
    const contents = Object.fromEntries(
      COMPRESSIONS.flatMap((by) => [
        [`${by}.qcow2`, compressed(disk('qcow2'), by)],
        [`${by}.raw`, compressed(disk('raw'), by)],
        [`${by}.box`, compressed(tar({ name: 'box.img', content: disk('qcow2') }), by)],
      ]),
    );
    const { exitCode } = await pullAll(rig, contents, missing);
    expect(exitCode).toBe(0);
    expect(sound(rig)).toEqual(Object.keys(contents).sort());
  });

  test('in several blocks and in several streams', async () => {
    await using rig = new Rig();
    const bytes = disk('raw');
    const [head, tail] = [bytes.subarray(0, 70_000), bytes.subarray(70_000)];
    const contents = {
      blocks: compressed(bytes, 'xz', '--block-size=32KiB', '-T2'),
      ...Object.fromEntries(
        COMPRESSIONS.map((by) => [by, Buffer.concat([compressed(head, by), compressed(tail, by)])]),
      ),
    };
    const { exitCode } = await pullAll(rig, contents, missing);
    expect(exitCode).toBe(0);
    expect(sound(rig)).toEqual(Object.keys(contents).sort());
  });

  test('half of one, or one with a wrong byte, is refused', async () => {
    await using rig = new Rig();
    const contents = Object.fromEntries(
      COMPRESSIONS.flatMap((by) => {
        const bytes = compressed(disk('raw'), by);
        const half = bytes.subarray(0, bytes.length / 2);
        return [
          [`${by}.half`, half],
          [`${by}.wrong`, withWrongByte(bytes)],
        ];
      }),
    );
    const { exitCode, stderr } = await pullAll(rig, contents, missing);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toHaveLength(8);
    expect(stderr.text).not.toContain('internal error');
    expect(rig.images).toEqual([]);
  });
});

describe('xz', () => {
  test.for([
    ['is the program where it is', [], true],
    ['is done without it where it is not', XZ, false],
  ] as const)('%s', async ([, missing, used]) => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const url = server.serve('/packed', compressed(disk('qcow2'), 'xz'));
    const env = { PATH: pathWithout(join(rig.root, 'bin'), rig.environment['PATH'] ?? '', ...missing) };
    const { exitCode, stderr } = await rig.run(['-v', 'image', 'pull', `disk,http=${url}`], { env });
    expect(exitCode).toBe(0);
    expect(/INFO.*\bxz\b/.test(stderr.text)).toBe(used);
  });
});

test('a program that is needed and missing is named', async () => {
  await using rig = new Rig();
  const { exitCode, stderr } = await pullAll(rig, { packed: compressed(disk('qcow2'), 'zstd') }, ['zstd']);
  expect(exitCode).toBe(1);
  expect(errorsIn(stderr.text)).toEqual([
    expect.stringContaining("Required program 'zstd' is not installed") as string,
  ]);
});

test('what comes from a web server is unpacked while it comes', async () => {
  await using rig = new Rig();
  await using server = await HttpServer.start();
  const contents = Object.fromEntries(COMPRESSIONS.map((by) => [by, compressed(disk('raw'), by)]));
  const specs = Object.entries(contents).map(
    ([name, content]) =>
      `${name},http=${server.serve(`/${name}`, { content, etag: '"1"', cut: { after: 50_000 } })}`,
  );
  expect((await rig.pull(...specs)).exitCode).toBe(0);
  expect(sound(rig)).toEqual([...COMPRESSIONS].sort());
});

/** Retrieves each content under its name, with some programs missing. */
async function pullAll(
  rig: Rig,
  contents: Readonly<Record<string, Buffer>>,
  missing: readonly string[],
): Promise<Ended> {
  rig.write(contents);
  const specs = Object.keys(contents).map((name) => `${name},file=${name}`);
  const env =
    missing.length === 0
      ? {}
      : { PATH: pathWithout(join(rig.root, 'bin'), rig.environment['PATH'] ?? '', ...missing) };
  return rig.run(['image', 'pull', ...specs], { env });
}

/** The names of the images that show what they should. */
function sound(rig: Rig): string[] {
  return rig.images.filter((name) => holds(join(rig.backend, name))).sort();
}

function withWrongByte(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  const middle = Math.floor(bytes.length / 2);
  changed[middle] = (changed[middle] ?? 0) ^ 0xff;
  return changed;
}

test('a zstd file may not want any amount of memory', async () => {
  await using rig = new Rig();
  // a frame that refers up to 2 TiB back (RFC 8878 section 3.1.1.1.2)
  rig.write({ greedy: Buffer.from('28b52ffd00f8010000', 'hex') });
  const { exitCode, stderr } = await rig.pull('greedy,file=greedy');
  expect(exitCode).toBe(1);
  expect(errorsIn(stderr.text)).toEqual([
    expect.stringMatching(/needs more than a quarter of this host's memory/),
  ]);
});

test('a zstd file that was made with --long is taken', async () => {
  await using rig = new Rig();
  const packed = execFileSync('zstd', ['-c', '--long=28'], { input: disk('qcow2') });
  expect((await pullAll(rig, { packed }, [])).exitCode).toBe(0);
});
