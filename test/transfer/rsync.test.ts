import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { GuestShell } from '../../src/transfer/guest-shell.ts';
import { openStagedCopy } from '../../src/transfer/staged-copy.ts';
import { rsyncIn, rsyncOut } from '../../src/transfer/rsync.ts';
import { HOST_AS_GUEST } from './host-as-guest.ts';

let work = '';
beforeEach(() => {
  work = mkdtempSync('/tmp/tr-rsync-');
  mkdirSync(join(work, 'from'));
  writeFileSync(join(work, 'from/file'), 'content');
});
afterEach(() => rmSync(work, { recursive: true }));

test('nothing that rsync says is lost before the way to the guest is open', async () => {
  const [from, to, back] = ['from', 'there', 'back'].map((name) => join(work, name)) as [
    string,
    string,
    string,
  ];
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const patient = new AbortController().signal;
  await rsyncIn({ path: from, isDirectory: true }, to, owner, SLOW, patient);
  const landing = await openStagedCopy(`${back}/`, to, work);
  await rsyncOut(to, true, landing, SLOW, patient);
  expect(readFileSync(join(landing.stage, 'there/file'), 'utf8')).toBe('content');
  await landing.remove();
});

/** This host passes for a guest to which it takes a while to get through. */
const SLOW: GuestShell = {
  ...HOST_AS_GUEST,
  connect: async (script, socket, signal) => {
    await delay(300);
    return HOST_AS_GUEST.connect(script, socket, signal);
  },
};
