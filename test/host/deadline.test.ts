import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { limited, linked, within } from '../../src/host/deadline.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test('a deadline is kept over a garbage collection, as that of AbortSignal.any is not', async () => {
  const outer = new AbortController();
  let fired = 0;
  for (let count = 0; count < 50; count++) {
    // nothing but the listener holds on to it
    within(outer.signal, 20).signal.addEventListener('abort', () => (fired += 1));
  }
  collectGarbage();
  await delay(60);
  expect(fired).toBe(50);
});

test('the outer signal is one too, and no expiry', async () => {
  const outer = new AbortController();
  let fired = 0;
  const deadlines = Array.from({ length: 50 }, () => within(outer.signal, 10_000));
  for (const { signal } of deadlines) signal.addEventListener('abort', () => (fired += 1));
  collectGarbage();
  outer.abort(new Error('the user'));
  expect(fired).toBe(50);
  expect(deadlines.some(({ expired }) => expired)).toBe(false);
  expect(deadlines[0]?.signal.reason).toEqual(new Error('the user'));
  for (const deadline of deadlines) deadline[Symbol.dispose]();
  await delay(0);
});

test('what is linked to a signal that is aborted already is aborted', () => {
  expect(linked(AbortSignal.abort()).signal.aborted).toBe(true);
  expect(within(AbortSignal.abort(), 10).expired).toBe(false);
});

test('work that is late is reported, and other failures stay what they are', async () => {
  const never = new AbortController().signal;
  const late = { reason: 'guest', message: 'too late' } as const;
  const ends = async (signal: AbortSignal): Promise<void> => delay(10_000, undefined, { signal });
  await expect(limited(never, 5, () => late, ends)).rejects.toThrow('too late');
  await expect(
    limited(
      never,
      5000,
      () => late,
      () => Promise.reject(new Error('broken')),
    ),
  ).rejects.toThrow('broken');
  const outer = new AbortController();
  const work = limited(outer.signal, 5000, () => late, ends);
  outer.abort();
  await expect(work).rejects.toThrow(/abort/);
});
