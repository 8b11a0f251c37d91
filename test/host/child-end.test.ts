import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { startChild } from '../../src/host/child.ts';
import { run } from '../../src/host/run.ts';
import { until } from '../rig/until.ts';
import { mkdtempSync, rmSync } from 'node:fs';

/** A program whose pipes stay open in a process of another group, as an ssh master keeps those of its sessions. */
const HOLDS_PIPES = 'setsid sleep 20 & echo $!; exec sleep 1000';

describe('a child whose pipes another process holds', () => {
  test('has ended, after an abort, with its process', async () => {
    const abort = new AbortController();
    const child = await startChild('sh', ['-c', HOLDS_PIPES], {
      newProcessGroup: true,
      signal: abort.signal,
    });
    const holder = Number(String(await firstChunk(child.stdout)));
    abort.abort();
    expect(await child.exited).toEqual({ code: undefined, signal: 'SIGTERM' });
    expect(isRunning(holder)).toBe(true);
    process.kill(holder, 'SIGKILL');
  });

  test('has ended as well when it had exited before the abort', async () => {
    const abort = new AbortController();
    const child = await startChild('sh', ['-c', 'setsid sleep 20 & echo $!'], { signal: abort.signal });
    const holder = Number(String(await firstChunk(child.stdout)));
    await until('its end', () => !isRunning(child.pid));
    abort.abort();
    expect((await child.exited).code).toBe(0);
    process.kill(holder, 'SIGKILL');
  });

  test('ends a program of which the output is collected', async () => {
    const abort = new AbortController();
    const text = run('sh', ['-c', HOLDS_PIPES], { signal: abort.signal });
    setTimeout(() => abort.abort(), 300);
    await expect(text).rejects.toThrow(/aborted/);
  });
});

test('all that a program wrote is there when it ends by itself, however slow its reader is', async () => {
  const child = await startChild('sh', ['-c', 'head -c 3000000 /dev/zero'], {});
  await delay(300);
  let size = 0;
  for await (const chunk of child.stdout ?? []) size += (chunk as Buffer).length;
  expect([size, (await child.exited).code]).toEqual([3_000_000, 0]);
});

test('a script is ended with what it has started, also where that ignores SIGTERM', async () => {
  const directory = mkdtempSync('/tmp/child-end-');
  const script = join(directory, 'script');
  writeFileSync(script, '#!/bin/sh\n(trap "" TERM; echo $$; while :; do sleep 1; done) &\necho $!\nwait\n', {
    mode: 0o755,
  });
  const abort = new AbortController();
  const child = await startChild(script, [], { newProcessGroup: true, signal: abort.signal });
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const started = await until(
    'the number of its child',
    () => text.split('\n').length > 2 && text.split('\n'),
  );
  abort.abort();
  await child.exited;
  for (const pid of started.filter(Boolean).map(Number)) await until('its end', () => !isRunning(pid));
  rmSync(directory, { recursive: true });
});

async function firstChunk(stream: AsyncIterable<unknown> | null): Promise<unknown> {
  return (await stream?.[Symbol.asyncIterator]().next())?.value;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
