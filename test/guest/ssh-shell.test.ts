import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SshShell } from '../../src/guest/ssh-shell.ts';
import { copyOut } from '../../src/transfer/copy.ts';
import { pathWithout } from '../rig/path-without.ts';

let directory = '';
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'transient-far-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const patience = new AbortController().signal;

/** This host passes for a guest, by an ssh program that runs what it is given here. */
async function hostAsGuest(path = process.env['PATH'] ?? '', profile = ':'): Promise<SshShell> {
  const program = join(directory, 'ssh');
  writeFileSync(
    program,
    `#!/bin/sh\nfor last; do :; done\n${profile}\nPATH=${path} exec /bin/sh -c "$last"\n`,
  );
  chmodSync(program, 0o755);
  const ssh = {
    user: 'vagrant',
    program,
    timeout: 10,
    options: [],
    netDriver: 'virtio-net-pci',
    wellKnownKeys: 'leave' as const,
  };
  const target = {
    ssh,
    port: 1,
    keyFiles: [],
    offer: 'vm' as const,
    controlPath: undefined,
    isEmulated: false,
  };
  return SshShell.open(target, patience);
}

test('what a login shell prints on its own is no part of an answer', async () => {
  const shell = await hostAsGuest(undefined, 'echo welcome; echo 12 messages');
  expect(await shell.run('echo in', patience)).toMatchObject({ code: 0, stdout: 'in\n' });
  expect(shell.isRoot).toBe(process.getuid?.() === 0 || shell.sudo !== '');
});

describe('feeding a script', () => {
  async function* pieces(count: number, then?: Error): AsyncGenerator<Buffer> {
    for (let piece = 0; piece < count; piece++) yield await Promise.resolve(Buffer.alloc(65_536, 'x'));
    if (then) throw then;
  }

  test('all of it arrives', async () => {
    const shell = await hostAsGuest();
    const into = join(directory, 'arrived');
    const requests: string[] = [];
    const reply = (what: string): Promise<AsyncIterable<Buffer>> => {
      requests.push(what);
      return Promise.resolve(pieces(20));
    };
    const script = `printf 'go\\non\\0'; cat >${into}`;
    expect(await shell.send(script, reply, patience)).toMatchObject({ code: 0 });
    expect([requests, statSync(into).size]).toEqual([['go\non'], 1_310_720]);
  });

  test.each([0, 20])(
    'a source that fails after %i pieces is told, though the script is content',
    async (count) => {
      const shell = await hostAsGuest();
      const fault = new Error('cannot read it');
      const script = `printf '\\0'; cat >/dev/null`;
      await expect(shell.send(script, () => Promise.resolve(pieces(count, fault)), patience)).rejects.toBe(
        fault,
      );
    },
  );

  test('a source that is not to be had is reported, and the script does not wait for it', async () => {
    const shell = await hostAsGuest();
    const fault = new Error('there is no tar');
    const script = `printf '\\0'; cat >/dev/null`;
    await expect(shell.send(script, () => Promise.reject(fault), patience)).rejects.toBe(fault);
  });

  test('one that says and says is not listened to for ever', async () => {
    const shell = await hostAsGuest();
    const before = process.memoryUsage().rss;
    const reply = (): Promise<AsyncIterable<Buffer>> => Promise.resolve(pieces(1));
    for (const script of [
      'head -c 200000000 /dev/zero | tr "\\0" x',
      `printf '\\0'; head -c 200000000 /dev/zero`,
    ])
      await shell.send(script, reply, patience);
    expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
  });

  test('what counts of a script that fails is its answer, not that it read no more', async () => {
    const shell = await hostAsGuest();
    const script = `printf '\\0'; echo no >&2; exit 3`;
    const answer = await shell.send(script, () => Promise.resolve(pieces(200)), patience);
    expect(answer).toMatchObject({ code: 3, stderr: 'no\n' });
  });

  test('one that fails before it has said all is sent nothing', async () => {
    const shell = await hostAsGuest();
    const reply = (): Promise<never> => Promise.reject(new Error('nobody asked'));
    const answer = await shell.send('echo half; echo no >&2; exit 4', reply, patience);
    expect(answer).toMatchObject({ code: 4, stderr: 'no\n' });
  });
});

test('a guest that cannot pack says why, and not the tar of the host', async () => {
  const shell = await hostAsGuest(pathWithout(join(directory, 'bin'), process.env['PATH'] ?? '', 'tar'));
  const [progress, note] = [(): void => undefined, (): void => undefined];
  const context = { signal: patience, progress, note, runDirectory: directory };
  writeFileSync(join(directory, 'wanted'), '');
  const copy = { guest: join(directory, 'wanted'), host: join(directory, 'out'), rsync: false };
  await expect(copyOut(copy, shell, context)).rejects.toThrow(
    /^cannot read .*wanted in the guest: .*tar.*not found/,
  );
  expect(existsSync(join(directory, 'out'))).toBe(false);
});
