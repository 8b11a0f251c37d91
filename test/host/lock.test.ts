import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'rolldown';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lockFile, type Lock } from '../../src/host/lock.ts';
import { Program } from '../rig/program.ts';

let directory = '';
let holder = '';
let count = 0;

beforeAll(async () => {
  directory = mkdtempSync('/tmp/tr-lock-');
  holder = join(directory, 'holder.mjs');
  await build({
    input: 'test/host/lock-holder.ts',
    platform: 'node',
    output: { file: holder, format: 'esm', codeSplitting: false },
  });
});

afterAll(() => rmSync(directory, { recursive: true }));

describe('a lock', () => {
  test('makes its file and takes it away again', async () => {
    const path = fresh();
    const lock = await lockFile(path);
    expect(existsSync(path)).toBe(true);
    await lock?.release();
    expect(existsSync(path)).toBe(false);
  });

  test('is refused while another holds it, also in the same process', async () => {
    const path = fresh();
    const lock = await lockFile(path);
    expect(await lockFile(path, { wait: false })).toBeUndefined();
    await lock?.release();
    const next = await lockFile(path, { wait: false });
    expect(next).toBeDefined();
    await next?.release();
  });

  test('is taken on a file that someone left', async () => {
    const path = fresh();
    writeFileSync(path, '');
    const lock = await lockFile(path, { wait: false });
    expect(lock).toBeDefined();
    await lock?.release();
  });

  test('goes to all who wait, one after the other', async () => {
    const path = fresh();
    const first = await lockFile(path);
    let held = 0;
    const most: number[] = [];
    const waiting = Array.from({ length: 5 }, async () => {
      const lock = await lockFile(path);
      most.push(++held);
      await Promise.resolve();
      held--;
      await lock?.release();
    });
    await first?.release();
    await Promise.all(waiting);
    expect(most).toEqual([1, 1, 1, 1, 1]);
    expect(existsSync(path)).toBe(false);
  });

  test('the wait for it can be given up', async () => {
    const path = fresh();
    const lock = await lockFile(path);
    const abort = new AbortController();
    const waiting = lockFile(path, { signal: abort.signal });
    abort.abort();
    await expect(waiting).rejects.toThrow();
    expect(existsSync(path)).toBe(true);
    await lock?.release();
  });

  test('one that was given up leaves no file behind', async () => {
    const path = fresh();
    await expect(lockFile(path, { signal: AbortSignal.abort() })).rejects.toThrow();
    expect(existsSync(path)).toBe(false);
  });

  test('a directory that is not there is an error', async () => {
    await expect(lockFile(join(directory, 'none', 'lock'))).rejects.toThrow('ENOENT');
  });
});

describe('another process', () => {
  test('holds it against us until it is done', async () => {
    const path = fresh();
    const other = await holding(path);
    expect(await lockFile(path, { wait: false })).toBeUndefined();
    other.write();
    const lock = await lockFile(path);
    expect((await other.ended).exitCode).toBe(0);
    await expectHeld(lock, path);
  });

  test('that is killed holds it no longer', async () => {
    const path = fresh();
    const other = await holding(path);
    const waiting = lockFile(path);
    other.signal('SIGKILL');
    await expectHeld(await waiting, path);
  });
});

async function holding(path: string): Promise<Program> {
  const other = new Program([process.execPath, holder, path], { cwd: directory, env: process.env });
  await other.waitFor(/locked/, 'stdout');
  return other;
}

async function expectHeld(lock: Lock | undefined, path: string): Promise<void> {
  expect(lock).toBeDefined();
  expect(await lockFile(path, { wait: false })).toBeUndefined();
  await lock?.release();
}

function fresh(): string {
  return join(directory, `lock-${++count}`);
}
