import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { PATIENCE_VARIABLE } from '../../src/host/deadline.ts';
import { lockInTurn, type LockRequest } from '../../src/host/lock-queue.ts';
import { lockFile } from '../../src/host/lock.ts';
import { until } from '../rig/until.ts';

let directory = '';
let path = '';

beforeEach(() => {
  directory = mkdtempSync('/tmp/tr-');
  path = join(directory, 'lock');
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

test('a waiting process learns of the process that holds the lock, and what it does', async () => {
  const first = await lockFile(path, { task: "retrieving image 'base'" });
  const { request, notes } = waiting();
  const second = lockInTurn(path, request);
  await until('a note', () => notes.length > 0);
  expect(notes).toEqual([
    expect.stringMatching(
      new RegExp(
        `^Waiting for process ${process.pid}, which is retrieving image 'base' \\(for \\d\\.\\d s so far\\)$`,
      ),
    ),
  ]);
  await first?.release();
  const lock = await second;
  expect(readFileSync(path, 'utf8')).toContain('"task":"being tested"');
  await lock.release();
  expect(existsSync(path)).toBe(false);
});

test('what is free, or soon is, is taken without a word', async () => {
  const first = await lockFile(path);
  const { request, notes } = waiting();
  const second = lockInTurn(path, request);
  await first?.release();
  await (await second).release();
  expect(notes).toEqual([]);
});

test('another program is another process, and the wait for it has an end', async () => {
  vi.stubEnv(PATIENCE_VARIABLE, String(1.5 / 3600));
  // it does as it likes with the file, and what an earlier holder wrote is not true any more
  await (await lockFile(path, { task: 'being dead' }))?.release();
  await holdByShell();
  const { request, notes } = waiting();
  await expect(lockInTurn(path, request)).rejects.toThrow(
    `gave up after waiting 1.5 s for another process, which holds the lock ${path}`,
  );
  expect(notes).toEqual([`Waiting for another process, which holds the lock ${path}`]);
});

test('the wait ends at once with its signal', async () => {
  await holdByShell();
  const { request, abort } = waiting();
  const lock = lockInTurn(path, request);
  setTimeout(() => abort.abort(new Error('enough')), 100);
  const begin = performance.now();
  await expect(lock).rejects.toThrow('enough');
  expect(performance.now() - begin).toBeLessThan(1000);
});

function waiting(): { request: LockRequest; notes: string[]; abort: AbortController } {
  const notes: string[] = [];
  const abort = new AbortController();
  const note = (line: string): void => void notes.push(line);
  return { request: { task: 'being tested', signal: abort.signal, note }, notes, abort };
}

/** Puts the lock into the hands of the flock program. */
async function holdByShell(): Promise<void> {
  const other = spawn('flock', [path, 'sh', '-c', 'echo locked; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  await once(other.stdout, 'data');
  onTestFinished(async () => {
    const ended = once(other, 'exit');
    process.kill(-(other.pid ?? 0), 'SIGKILL');
    await ended;
  });
}
