import type { Duplex } from 'node:stream';
import { duplexPair } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { PATIENCE, bytesOf, newMark } from '../../src/builder/port.ts';
import { turns } from '../run/parts.ts';

const MARK = newMark();

test('a mark is another one each time', () => {
  expect(new Set(Array.from({ length: 100 }, newMark)).size).toBe(100);
  // it is one word of a request
  expect(MARK).toMatch(/^\S+$/);
});

describe('what a script writes on a port', () => {
  test('is all that comes before the mark, though the answer has come long before', async () => {
    const { port, script } = connected();
    const bytes = gathered(bytesOf(port, MARK, Promise.resolve(), { talks: false }));
    for (let piece = 0; piece < 50; piece++) {
      script.write(`piece ${piece};`);
      await turns(2);
    }
    script.write(MARK);
    expect((await bytes).split(';')).toHaveLength(51);
  });

  test.for([1, 7, 31, 32, 33, 1000])(
    'may come in pieces of %i bytes, with parts of the mark in it',
    async (size) => {
      const { port, script } = connected();
      const text = `begin ${MARK.slice(0, 20)} ${MARK.slice(5)} end`;
      const bytes = gathered(bytesOf(port, MARK, Promise.resolve(), { talks: false }));
      const all = text + MARK;
      for (let at = 0; at < all.length; at += size) {
        script.write(all.slice(at, at + size));
        await turns(1);
      }
      expect(await bytes).toBe(text);
    },
  );

  test.for(['hello', MARK.slice(0, 1), `hello ${MARK.slice(0, 30)}`])(
    'comes through at once where it waits for a reply, also %j',
    async (word) => {
      const { port, script } = connected();
      const reading = bytesOf(port, MARK, Promise.resolve(), { talks: true });
      let heard = '';
      for (let round = 0; round < 3; round++) {
        script.write(word);
        // it says no more until that has arrived
        while (heard.length < (round + 1) * word.length) heard += String((await reading.next()).value);
      }
      script.write(MARK);
      expect(heard + (await gathered(reading))).toBe(word.repeat(3));
    },
  );

  test('ends with a mark of which a part was passed on already', async () => {
    const { port, script } = connected();
    const reading = bytesOf(port, MARK, Promise.resolve(), { talks: true });
    const bytes = gathered(reading);
    script.write(`bye${MARK.slice(0, 5)}`);
    await delay(4 * PATIENCE);
    script.write(MARK.slice(5));
    expect(await bytes).toBe(`bye${MARK.slice(0, 5)}`);
  });

  test('may be nothing', async () => {
    const { port, script } = connected();
    script.write(MARK);
    expect(await gathered(bytesOf(port, MARK, Promise.resolve(), { talks: false }))).toBe('');
  });

  test('waits for its reader', async () => {
    const { port, script } = connected();
    port.pause();
    script.write('early');
    await turns(5);
    script.write(MARK);
    expect(await gathered(bytesOf(port, MARK, Promise.resolve(), { talks: false }))).toBe('early');
  });

  test('ends without a mark when there will be no answer, which is why it fails', async () => {
    const { port, script } = connected();
    const answer = turns(20).then(() => Promise.reject(new Error('the builder VM ended')));
    script.write('half');
    await expect(gathered(bytesOf(port, MARK, answer, { talks: false }))).rejects.toThrow(
      'the builder VM ended',
    );
  });
});

function connected(): { port: Duplex; script: Duplex } {
  const [port, script] = duplexPair();
  return { port, script };
}

async function gathered(bytes: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
