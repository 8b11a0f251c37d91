import { spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { printLog } from '../../src/cli/log-file.ts';
import { capLog } from '../../src/host/log-cap.ts';
import { placeOf } from '../../src/host/log-place.ts';
import { LogReader } from '../../src/host/log-reader.ts';
import { followSerial, serialTail } from '../../src/qemu/serial.ts';
import { until } from '../rig/until.ts';

const LIMIT = 10_000;

let directory = '';
let path = '';
beforeEach(() => {
  directory = mkdtempSync('/tmp/tr-log-');
  path = join(directory, 'log');
  writeFileSync(path, '', { mode: 0o600 });
});
afterEach(() => rmSync(directory, { recursive: true }));

test('a log is cut at its limit, again and again, and its older part is kept', async () => {
  const cuts: string[] = [];
  const end = capLog(placeOf(path), { limit: LIMIT, interval: 10, onCut: () => cuts.push('cut') });
  for (const letter of 'abc') {
    appendFileSync(path, letter.repeat(LIMIT));
    await until('a cut', () => statSync(path).size === 0);
  }
  appendFileSync(path, 'd');
  await end();
  expect(readFileSync(path, 'utf8')).toBe('d');
  expect(readFileSync(`${path}.1`, 'utf8')).toBe('c'.repeat(LIMIT));
  expect(statSync(`${path}.1`).mode & 0o777).toBe(0o600);
  expect(cuts).toEqual(['cut']);
});

test('a reader misses nothing', async () => {
  // long enough for its readers, who look each 50 and 100 ms
  const end = capLog(placeOf(path), { limit: 10 * LIMIT, interval: 5 });
  const followed: Buffer[] = [];
  const printed: Buffer[] = [];
  let isWritten = false;
  const endFollowing = followSerial(path, (bytes) => followed.push(bytes));
  const printing = printLog(
    path,
    (bytes) => void printed.push(Buffer.from(bytes)),
    () => !isWritten,
  );
  let wanted = '';
  for (let line = 0; line < 10_000; line++) {
    const text = `${line} ${'x'.repeat(line % 50)}\n`;
    wanted += text;
    appendFileSync(path, text);
    if (line % 20 === 0) await delay(2);
  }
  isWritten = true;
  await printing;
  endFollowing();
  await end();
  expect(existsSync(`${path}.1`)).toBe(true);
  expect(Buffer.concat(followed).toString() === wanted).toBe(true);
  expect(Buffer.concat(printed).toString() === wanted).toBe(true);
});

test('a writer in another process goes on where it was', async () => {
  const end = capLog(placeOf(path), { limit: LIMIT, interval: 5 });
  const writer = spawn('sh', ['-c', `while :; do echo 0123456789; done >>"$0"`, path]);
  onTestFinished(() => void writer.kill('SIGKILL'));
  await until('a cut', () => existsSync(`${path}.1`));
  const { ino } = statSync(`${path}.1`);
  await until('another cut', () => existsSync(`${path}.1`) && statSync(`${path}.1`).ino !== ino);
  await end();
  // no hole in the place of what was moved away
  expect(readFileSync(path).includes(0)).toBe(false);
});

test('what was cut is printed first, and is where the end of a fresh log goes on', async () => {
  writeFileSync(`${path}.1`, 'one\ntwo\n');
  appendFileSync(path, 'three\n');
  const printed: string[] = [];
  await printLog(path, (bytes) => void printed.push(bytes.toString()));
  expect(printed.join('')).toBe('one\ntwo\nthree\n');
  expect((await serialTail(path, 2)).lines).toEqual(['two', 'three']);
});

test('where the older part cannot be kept, the log is cut all the same', async () => {
  mkdirSync(join(directory, 'log.1/in the way'), { recursive: true });
  const reader = new LogReader(placeOf(path));
  onTestFinished(() => reader.close());
  appendFileSync(path, 'a'.repeat(LIMIT));
  expect(reader.read()?.length).toBe(LIMIT);
  const end = capLog(placeOf(path), { limit: LIMIT, interval: 5 });
  await until('a cut', () => statSync(path).size === 0);
  await end();
  appendFileSync(path, 'b');
  expect(reader.read()?.toString()).toBe('b');
});

test('a link in the place of the older part is neither written nor read', async () => {
  const precious = join(directory, 'precious');
  writeFileSync(precious, 'secret');
  for (const name of ['log.1', 'log.1.new']) symlinkSync(precious, join(directory, name));
  expect((await serialTail(path)).lines).toEqual([]);
  const printed: Buffer[] = [];
  await printLog(path, (bytes) => void printed.push(bytes));
  expect(printed).toEqual([]);
  appendFileSync(path, 'a'.repeat(LIMIT));
  const end = capLog(placeOf(path), { limit: LIMIT, interval: 5 });
  await until('a cut', () => statSync(path).size === 0);
  await end();
  expect(readFileSync(precious, 'utf8')).toBe('secret');
  expect(readFileSync(`${path}.1`, 'utf8')).toBe('a'.repeat(LIMIT));
});
