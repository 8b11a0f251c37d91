import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { WellKnownKeys } from '../../src/config/ssh.ts';
import type { RunScript } from '../../src/guest/login-key.ts';
import { treatWellKnownKeys } from '../../src/guest/login-key.ts';
import { restorationScript } from '../../src/guest/login-key-scripts.ts';
import { publicKeyOf } from '../../src/guest/ssh.ts';
import { VAGRANT_PRIVATE_KEY, WELL_KNOWN_KEYS } from '../../src/guest/vagrant-key.ts';
import type { ScriptResult } from '../../src/transfer/guest-shell.ts';
import type { Problem } from '../../src/problem.ts';
import { SSH } from '../plan/specs.ts';

let home = '';
let authorized = '';
let key = '';
const [RSA, ED25519] = WELL_KNOWN_KEYS.map((parts) => parts.join(' '));

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'login-key-'));
  mkdirSync(join(home, '.ssh'));
  authorized = join(home, '.ssh', 'authorized_keys');
  key = join(home, 'key');
});
afterEach(() => rmSync(home, { recursive: true }));

/** The shells of guests in which our scripts run. */
describe.each([
  ['sh', ['sh', '-c']],
  ['busybox sh', ['busybox', 'sh', '-c']],
])('in %s', (_name, [program = '', ...args]) => {
  const inGuest = (script: string): ScriptResult => {
    try {
      const env = { ...process.env, HOME: home };
      const stdout = execFileSync(program, [...args, script], { env, stdio: 'pipe' }).toString();
      return { code: 0, stdout, stderr: '' };
    } catch (error) {
      const { status, stderr } = error as { status: number; stderr: Buffer };
      return { code: status, stdout: '', stderr: stderr.toString() };
    }
  };

  const treat = async (wellKnownKeys: WellKnownKeys): Promise<Problem[]> => {
    const problems: Problem[] = [];
    const context = { signal: new AbortController().signal, warn: (one: Problem) => void problems.push(one) };
    const run: RunScript = (script) => Promise.resolve(inGuest(script));
    await treatWellKnownKeys({ ...SSH, wellKnownKeys }, key, run, context);
    return problems;
  };

  test('every well-known key is replaced by the one, with its options, and nothing else is', async () => {
    const before = [
      '# mine',
      `${RSA} vagrant insecure public key`,
      `no-pty,command="echo a b" ${ED25519} vagrant`,
      'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOtherKeyOtherKeyOtherKeyOtherKeyOtherKeyOth me@home',
      '',
    ];
    writeFileSync(authorized, before.join('\n'));
    chmodSync(authorized, 0o600);
    expect(await treat('replace')).toEqual([]);
    const publicKey = await publicKeyOf(readFileSync(key, 'utf8'));
    const after = readFileSync(authorized, 'utf8').split('\n');
    expect(after.filter((line) => !line.startsWith('#'))).toEqual([
      `${publicKey} made-by-transient`,
      `no-pty,command="echo a b" ${publicKey} made-by-transient`,
      before[3],
      '',
    ]);
    expect(statSync(authorized).mode & 0o777).toBe(0o600);
    expect(statSync(key).mode & 0o777).toBe(0o600);

    expect(await treat('replace'), 'a second time').toEqual([]);
    expect(readFileSync(authorized, 'utf8').split('\n')).toEqual(after);

    expect(await treat('restore')).toEqual([]);
    expect(readFileSync(authorized, 'utf8')).toBe(before.join('\n'));
  });

  test('a guest without any is left alone, and gets no key', async () => {
    writeFileSync(authorized, `#${RSA}\nssh-rsa AAAA other\n`);
    expect(await treat('replace')).toEqual([]);
    expect(readFileSync(authorized, 'utf8')).toBe(`#${RSA}\nssh-rsa AAAA other\n`);
    expect(() => statSync(key)).toThrow();
  });

  test('the key that a VM keeps is the one that its guest gets again', async () => {
    writeFileSync(authorized, `${RSA}\n`);
    await treat('replace');
    const kept = readFileSync(key, 'utf8');
    writeFileSync(authorized, `${RSA}\n`);
    await treat('replace');
    expect(readFileSync(key, 'utf8')).toBe(kept);
    expect(readFileSync(authorized, 'utf8')).toContain(`\n${await publicKeyOf(kept)} `);
  });

  test.each(['leave', 'python'] as const)('with "%s" nothing is done', async (what) => {
    writeFileSync(authorized, `${RSA}\n`);
    await treat(what);
    expect(readFileSync(authorized, 'utf8')).toBe(`${RSA}\n`);
  });

  test('what cannot be replaced is reported, and the guest goes on', async () => {
    writeFileSync(authorized, `${RSA}\n`);
    mkdirSync(`${authorized}.new`);
    const [problem] = await treat('replace');
    expect(problem?.message).toContain('any user of this host can still log in to the guest');
    expect(readFileSync(authorized, 'utf8')).toBe(`${RSA}\n`);
  });

  test('what cannot be put back is an error', async () => {
    writeFileSync(authorized, `${RSA}\n`);
    await treat('replace');
    mkdirSync(`${authorized}.new`);
    await expect(treat('restore')).rejects.toThrow("the image's own keys could not be restored");
  });
});

test('the public halves are those of the keys that everyone has', async () => {
  expect(await publicKeyOf(VAGRANT_PRIVATE_KEY)).toBe(RSA);
});

test('the keys of all users of a disk are looked for', () => {
  expect(restorationScript('all')).toContain('/etc/passwd');
});
