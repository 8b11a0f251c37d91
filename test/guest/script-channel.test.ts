import { spawnSync } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { SCRIPT_COMMAND, afterMark, scriptLine } from '../../src/guest/script-channel.ts';

const SHELLS = ['sh', 'bash', 'busybox sh', 'zsh', 'fish', 'tcsh'].filter(
  (shell) => spawnSync('sh', ['-c', `${shell} -c true`]).status === 0,
);

describe.each(SHELLS)('whose login shell is %s', (shell) => {
  test.each([
    String.raw`printf '%s\n' 'it'"'"'s' "a \"b\" \\ $HOME!" ; echo 'ü'`,
    'i=0\nwhile [ $i -lt 3 ]; do\n  i=$((i + 1))\ndone\necho "$i"',
    String.raw`printf 'a\0b' | od -An -c`,
  ])('a script runs as it is: %j', (script) => {
    const [program = '', ...args] = shell.split(' ');
    const input = `${scriptLine(script)}rest\nof stdin`;
    const ran = spawnSync(program, [...args, '-c', SCRIPT_COMMAND], { input, encoding: 'utf8' });
    const plain = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
    expect([ran.stdout, ran.stderr]).toEqual([plain.stdout, plain.stderr]);
  });

  test('what follows is the stdin of the script, byte for byte', () => {
    const [program = '', ...args] = shell.split(' ');
    const bytes = Buffer.from([0, 10, 255, 128, 10, 13]);
    const input = Buffer.concat([Buffer.from(scriptLine('exec cat')), bytes]);
    expect(spawnSync(program, [...args, '-c', SCRIPT_COMMAND], { input }).stdout).toEqual(bytes);
  });
});

test.each([1, 3, 100])('what comes before the mark is thrown away, in pieces of %i', async (size) => {
  const all = Buffer.from('Welcome to my shell!\nMAMARK\0bytes MARK and more');
  const stream = new PassThrough();
  const rest = afterMark(stream, Buffer.from('MARK'));
  for (let at = 0; at < all.length; at += size) stream.write(all.subarray(at, at + size));
  stream.end();
  const chunks: Buffer[] = [];
  for await (const chunk of rest) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).toString()).toBe('\0bytes MARK and more');
});

test('a stream without a mark has nothing to say', async () => {
  const stream = new PassThrough();
  const rest = afterMark(stream, Buffer.from('MARK'));
  stream.end('no such thing');
  for await (const chunk of rest) expect(chunk).toBeUndefined();
});
