import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { watchKernel } from '../../src/qemu/kernel-messages.ts';

/** Collects the reports for a console with this output, delivered in pieces. */
function heard(...pieces: readonly string[]): string[] {
  const directory = mkdtempSync('/tmp/kernel-messages-');
  const log = join(directory, 'serial.log');
  const news: string[] = [];
  writeFileSync(log, '');
  const end = watchKernel(log, {
    panicked: () => void news.push('panic'),
    reported: (bug) => void news.push(bug),
  });
  for (const piece of pieces) appendFileSync(log, piece);
  // what was written is looked at once more
  end();
  rmSync(directory, { recursive: true });
  return news;
}

test.each([
  '[   12.345678] Kernel panic - not syncing: sysrq triggered crash\r\n',
  'Kernel panic - not syncing: without times\n',
  'tiny login: [    4.297333] Kernel panic - not syncing: behind a prompt\n',
  '[    4.297333][    T1] Kernel panic - not syncing: with the thread\n',
])('the kernel has panicked: %j', (line) => {
  expect(heard('Booting\r\n', line.slice(0, 20), line.slice(20))).toEqual(['panic']);
});

test.each([
  'I wrote of a "Kernel panic - not syncing" in a letter\n',
  '[    1.2] ---[ end Kernel panic - not syncing: done ]---\n',
  '[    1.2] Kernel panic\n',
  'BUGS: none\n',
])('it has not: %j', (line) => {
  expect(heard(line)).toEqual([]);
});

test('the first report of a fault is reported, and no further one', () => {
  expect(heard('[    9.1] BUG: kernel NULL pointer dereference\r\n[    9.2] BUG: another\r\n')).toEqual([
    'BUG: kernel NULL pointer dereference',
  ]);
});

test('a line without an end costs nothing', () => {
  expect(heard('x'.repeat(3_000_000), '\n', '[    1.2] Kernel panic - not syncing: now\n')).toEqual([
    'panic',
  ]);
});
