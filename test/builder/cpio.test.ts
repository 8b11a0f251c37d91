import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DIRECTORY, FILE, LINK, PROGRAM, cpioArchive } from '../../src/builder/cpio.ts';

test('an archive is what cpio unpacks', () => {
  const directory = mkdtempSync('/tmp/tr-cpio-');
  const input = cpioArchive([
    { path: 'bin', mode: DIRECTORY, bytes: Buffer.alloc(0) },
    { path: 'bin/tool', mode: PROGRAM, bytes: Buffer.from('#!/bin/sh\n') },
    { path: 'bin/other', mode: LINK, bytes: Buffer.from('tool') },
    ...[0, 1, 2, 3, 4, 5].map((size) => ({
      path: `size ${size}`,
      mode: FILE,
      bytes: Buffer.alloc(size, 'x'),
    })),
  ]);
  execFileSync('cpio', ['-i', '--quiet'], { input, cwd: directory });
  expect(statSync(join(directory, 'bin/tool')).mode & 0o777).toBe(0o755);
  expect(readlinkSync(join(directory, 'bin/other'))).toBe('tool');
  for (const size of [0, 1, 2, 3, 4, 5]) {
    expect(readFileSync(join(directory, `size ${size}`), 'utf8')).toBe('x'.repeat(size));
  }
  rmSync(directory, { recursive: true });
});
