import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { expect, it, onTestFinished } from 'vitest';
import { makeKeyPair, publicKeyIn } from '../../src/host/key-pair.ts';

it('is a pair that OpenSSH reads', () => {
  const directory = mkdtempSync(join(tmpdir(), 'key-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const pair = makeKeyPair();
  const path = join(directory, 'key');
  writeFileSync(path, pair.private, { mode: 0o600 });
  const read = execFileSync('ssh-keygen', ['-y', '-P', '', '-f', path], { encoding: 'utf8' });
  expect(read.trim()).toBe(pair.public);
});

it('is a new pair each time, which ssh2 reads and signs with', () => {
  const pairs = Array.from({ length: 300 }, makeKeyPair);
  expect(new Set(pairs.map((pair) => pair.public)).size).toBe(300);
  for (const pair of pairs) {
    const key = ssh2.utils.parseKey(pair.private);
    if (key instanceof Error) throw key;
    expect(`${key.type} ${key.getPublicSSH().toString('base64')}`).toBe(pair.public);
    expect(key.verify('text', key.sign('text'))).toBe(true);
  }
});

it('can be told from its private half', () => {
  const pair = makeKeyPair();
  expect(publicKeyIn(pair.private)).toBe(pair.public);
});

it.each(['', 'no key', '-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n'])(
  'is not in another text: %j',
  (text) => expect(publicKeyIn(text)).toBeUndefined(),
);
