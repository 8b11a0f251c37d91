import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eachLine } from '../../src/host/lines.ts';

/** The lines of pieces as they come, and whether there was one that was too long. */
async function linesOf(pieces: readonly Buffer[], most: number): Promise<[string[], boolean]> {
  const stream = new PassThrough();
  const lines: string[] = [];
  let isTooLong = false;
  eachLine(
    stream,
    most,
    (line) => lines.push(line),
    () => (isTooLong = true),
  );
  for (const piece of pieces) stream.write(piece);
  stream.end();
  await new Promise((resolve) => stream.resume().on('end', resolve));
  return [lines, isTooLong];
}

test('lines are the same in whatever pieces they come', async () => {
  const pieces = fc.array(
    fc.string({ maxLength: 20, unit: 'grapheme' }).map((text) => text.replaceAll(/[\r\n]/g, '')),
    {
      maxLength: 10,
    },
  );
  await fc.assert(
    fc.asyncProperty(pieces, fc.integer({ min: 1, max: 7 }), async (lines, size) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\r\n`).join(''));
      const cut = Array.from({ length: Math.ceil(bytes.length / size) }, (_none, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      expect(await linesOf(cut, 1000)).toEqual([lines, false]);
    }),
  );
});

test('a line without an end is given up, with what came before it', async () => {
  expect(
    await linesOf([Buffer.from('one\ntwo'), Buffer.alloc(100, 'x'), Buffer.from('\nthree\n')], 50),
  ).toEqual([['one'], true]);
});
