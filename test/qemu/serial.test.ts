import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { serialTail } from '../../src/qemu/serial.ts';

const directory = mkdtempSync('/tmp/tr-');
afterAll(() => rmSync(directory, { recursive: true }));

test('the end of a console is its last lines, without control sequences, and how long ago it said them', async () => {
  const path = join(directory, 'serial.log');
  writeFileSync(path, '\x1b[2J\x1b[1;1HBooting\r\n\r\none\r\ntwo\r\n');
  const minuteAgo = Date.now() / 1000 - 60;
  utimesSync(path, minuteAgo, minuteAgo);
  const { lines, silence } = await serialTail(path, 2);
  expect(lines).toEqual(['one', 'two']);
  expect(silence).toBeGreaterThanOrEqual(60);
});

test('a console that is not there has printed nothing', async () => {
  expect(await serialTail(join(directory, 'none'))).toEqual({ lines: [], silence: 0 });
});
