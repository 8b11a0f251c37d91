import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { Rig } from '../rig/rig.ts';

/** A copy of what is installed, with what a command there does. */
function installed(rig: Rig) {
  const directory = join(rig.work, 'dist');
  cpSync(dirname(inject('binary')), directory, { recursive: true });
  const cache = join(directory, 'code-cache');
  const program = join(directory, 'transient.js');
  return {
    cache,
    files: () => readdirSync(cache, { recursive: true, withFileTypes: true }).filter((file) => file.isFile()),
    ps: async () => {
      const { exitCode, stdout, stderr } = await rig.command([process.execPath, program, 'ps']);
      return { exitCode, stdout: stdout.text, stderr: stderr.text };
    },
  };
}

const NOTHING_RUNS = {
  exitCode: 0,
  stdout: expect.stringMatching(/^NAME +IMAGE/) as string,
  stderr: '',
};

test('compiled code comes with the build, for the Node that built it', async () => {
  await using rig = new Rig();
  const { files, ps } = installed(rig);
  const before = files().map(({ name }) => name);
  expect(before).toContainEqual(expect.stringMatching(/^core-.*\.js$/));
  expect(await ps()).toEqual(NOTHING_RUNS);
  expect(files().map(({ name }) => name)).toEqual(before);
});

test('the first run keeps it where there is none', async () => {
  await using rig = new Rig();
  const { cache, files, ps } = installed(rig);
  rmSync(cache, { recursive: true });
  expect(await ps()).toEqual(NOTHING_RUNS);
  expect(files().map(({ name }) => name)).toContainEqual(expect.stringMatching(/^core-.*\.js$/));
  expect(await ps()).toEqual(NOTHING_RUNS);
});

test('what cannot be written is done without', async () => {
  await using rig = new Rig();
  const { cache, ps } = installed(rig);
  rmSync(cache, { recursive: true });
  writeFileSync(cache, '');
  expect(await ps()).toEqual(NOTHING_RUNS);
});

test.for<[string, (code: Buffer) => Buffer]>([
  ['nothing', () => Buffer.alloc(0)],
  ['garbage', (code) => Buffer.alloc(code.length, 'x')],
  ['a part of it', (code) => code.subarray(0, code.length / 2)],
])('a cache that holds %s is not used', async ([, spoil]) => {
  await using rig = new Rig();
  const { files, ps } = installed(rig);
  for (const { parentPath, name } of files()) {
    const path = join(parentPath, name);
    writeFileSync(path, spoil(readFileSync(path)));
  }
  expect(await ps()).toEqual(NOTHING_RUNS);
});
