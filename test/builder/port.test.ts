import type { Duplex } from 'node:stream';
import { duplexPair } from 'node:stream';
import { expect, test } from 'vitest';
import type { Mark } from '../../src/builder/marked-stream.ts';
import { bytesOf } from '../../src/builder/marked-stream.ts';
import { turns } from '../run/parts.ts';

const MARK = Buffer.from('0123456789abcdef');

test('what a writer says is passed on at once, also what might be the beginning of a mark', async () => {
  const { guest, read } = opened();
  guest.write('hello 0123');
  await turns(3);
  expect(read.text()).toBe('hello 0123');
});

test('what comes after the answer and before the mark is of it', async () => {
  const { guest, read, ends } = opened();
  guest.write('early, ');
  await turns(3);
  ends.ok();
  await turns(3);
  guest.write('late, ');
  await turns(3);
  guest.write('last');
  guest.write(MARK);
  expect(await read.whole).toBe('early, late, last');
});

test.for([1, 2, 3, 7, 15, 16, 17, 31])(
  'a mark in pieces of %i bytes, after something like it',
  async (size) => {
    const { guest, read, ends } = opened();
    ends.ok();
    await turns(3);
    const text = `${'0123456789abcde'.repeat(5)}0123456789abcdeX0123`;
    const all = Buffer.concat([Buffer.from(text), MARK]);
    for (let at = 0; at < all.length; at += size) {
      guest.write(all.subarray(at, at + size));
      await turns(1);
    }
    expect(await read.whole).toBe(text);
  },
);

test('a writer that wrote nothing', async () => {
  const { guest, read, ends } = opened();
  ends.ok();
  guest.write(MARK);
  expect(await read.whole).toBe('');
});

test('a writer of whose end nothing is known has ended, for others to tell', async () => {
  const { guest, read, ends } = opened();
  guest.write('half');
  await turns(3);
  ends.unknown(new Error('the builder VM ended'));
  expect(await read.whole).toBe('half');
});

test('an end of which nothing is known before anybody reads is no one’s fault', async () => {
  const [near] = duplexPair();
  const bytes = bytesOf(near, Promise.reject(new Error('the builder VM ended')));
  // Node ends a process for a rejection that nobody has heard of by now
  await new Promise(setImmediate);
  expect((await bytes.next()).done).toBe(true);
});

test('a mark that cannot be had is an error: bytes may be missing', async () => {
  const { guest, read, ends } = opened();
  guest.write('half');
  ends.ok(Promise.reject(new Error('the builder VM ended')));
  await expect(read.whole).rejects.toThrow('the builder VM ended');
});

test('a reader that leaves does not hold up the writer', async () => {
  const [near, guest] = duplexPair();
  const bytes = bytesOf(near, new Promise(() => undefined));
  guest.write('first');
  await bytes.next();
  await bytes.return(undefined);
  for (let count = 0; count < 20; count++) {
    if (!guest.write(Buffer.alloc(64 * 1024))) await new Promise((resolve) => guest.once('drain', resolve));
  }
});

/** A port that is read: its other end, what was read so far and in the end, and how its writer ends. */
function opened(): {
  guest: Duplex;
  read: { text: () => string; whole: Promise<string> };
  ends: { ok: (asked?: Promise<unknown>) => void; unknown: (error: Error) => void };
} {
  const [near, guest] = duplexPair();
  let resolve: (mark: Mark) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const marked = new Promise<Mark>((good, bad) => ([resolve, reject] = [good, bad]));
  const chunks: Buffer[] = [];
  const text = (): string => Buffer.concat(chunks).toString();
  const reading = async (): Promise<string> => {
    for await (const chunk of bytesOf(near, marked)) chunks.push(chunk);
    return text();
  };
  const whole = reading();
  whole.catch(() => undefined);
  const ok = (asked: Promise<unknown> = Promise.resolve()): void =>
    resolve({ bytes: MARK, requested: asked });
  return { guest, read: { text, whole }, ends: { ok, unknown: reject } };
}
