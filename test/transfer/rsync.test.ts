import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Answer, Far } from '../../src/transfer/far.ts';
import { rsyncIn, rsyncOut } from '../../src/transfer/rsync.ts';

let work = '';
beforeEach(() => {
  work = mkdtempSync('/tmp/tr-rsync-');
  mkdirSync(join(work, 'from'));
  writeFileSync(join(work, 'from/file'), 'content');
});
afterEach(() => rmSync(work, { recursive: true }));

test('nothing that rsync says is lost before the way to the guest is open', async () => {
  const [from, there, back] = ['from', 'there', 'back'].map((name) => join(work, name)) as [
    string,
    string,
    string,
  ];
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const patient = new AbortController().signal;
  await rsyncIn({ path: from, isDirectory: true }, there, owner, SLOW, patient);
  await rsyncOut(there, true, back, SLOW, patient);
  expect(readFileSync(join(back, 'file'), 'utf8')).toBe('content');
});

/** This host passes for a guest to which it takes a while to get through. */
const SLOW: Far = {
  sudo: '',
  tar: 'tar',
  gnuTar: true,
  ask: () => Promise.resolve({ code: 0, stdout: '', stderr: '' }),
  feed: () => Promise.reject(new Error('not asked for')),
  draw: () => {
    throw new Error('not asked for');
  },
  join: async (script, socket) => {
    await delay(300);
    return joined(script, socket);
  },
};

async function joined(script: string, socket: Duplex): Promise<Answer> {
  const child = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'ignore'] });
  child.stdin.on('error', () => undefined);
  socket.pipe(child.stdin);
  child.stdout.pipe(socket);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code: code ?? 1, stdout: '', stderr: '' };
}
