import {
  existsSync,
  fstatSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { moveDurably, sweepUnfinished, writeDurably } from '../../src/host/durable.ts';

let work = '';
/** Synced paths, and whether `final` existed by then. */
let synced: string[] = [];
beforeEach(async () => {
  work = mkdtempSync('/tmp/tr-durable-');
  synced = [];
  await using handle = await open(work, 'r');
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  vi.spyOn(prototype, 'sync').mockImplementation(function (this: FileHandle) {
    const kind = fstatSync(this.fd).isDirectory() ? 'directory' : 'file';
    synced.push(`${kind}, ${existsSync(join(work, 'final')) ? 'final' : 'not final'}`);
    return Promise.resolve();
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(work, { recursive: true });
});

const DURABLE = ['file, not final', 'directory, final'];

test('a file is on the disk before it has its name, and its name before anybody goes on', async () => {
  writeFileSync(join(work, 'image'), 'image', { mode: 0o444 });
  await moveDurably(join(work, 'image'), join(work, 'final'));
  expect([synced, readdirSync(work)]).toEqual([DURABLE, ['final']]);
});

test('so is a text, which no one finds half written', async () => {
  await writeDurably(join(work, 'final'), 'text');
  expect([synced, readdirSync(work)]).toEqual([DURABLE, ['final']]);
  await Promise.all(Array.from({ length: 20 }, () => writeDurably(join(work, 'final'), 'other')));
  expect([readFileSync(join(work, 'final'), 'utf8'), readdirSync(work)]).toEqual(['other', ['final']]);
});

test('a text that cannot be put in its place leaves nothing', async () => {
  await expect(writeDurably(join(work, 'none/final'), 'text')).rejects.toThrow('ENOENT');
  await expect(writeDurably(work, 'text')).rejects.toThrow();
  expect(readdirSync('/tmp').filter((name) => name.startsWith('.new-'))).toEqual([]);
});

test('what a dead process did not finish goes, but not what another one is at', async () => {
  for (const name of ['.new-1-disk.json', '.new-2-disk.json', 'disk.json'])
    writeFileSync(join(work, name), '');
  for (const name of ['.new-1-disk.json', 'disk.json']) utimesSync(join(work, name), 1, 1);
  await sweepUnfinished(work);
  expect(readdirSync(work)).toEqual(['.new-2-disk.json', 'disk.json']);
});
