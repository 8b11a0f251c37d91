import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { disk } from '../rig/disks.ts';
import { errorsIn } from '../rig/errors.ts';
import { Rig } from '../rig/rig.ts';

test('a qemu-img that prints something else than JSON is reported by what it printed', async () => {
  await using rig = rigWith('echo "what a day"');
  const { exitCode, stderr } = await rig.run(['image', 'ls']);
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain('error: Command produced garbage: unexpected output of qemu-img for ');
  expect(stderr.text).toContain('\n  what a day\n');
  expect(stderr.text).not.toContain('bug in transient');
});

test('one that makes nothing makes no VM', async () => {
  await using rig = rigWith(insteadOf('create', 'exit 0'));
  const { exitCode, stdout, stderr } = await rig.run(['create', 'test', '--name', 'vm']);
  expect({ exitCode, stdout: stdout.text }).toEqual({ exitCode: 1, stdout: '' });
  expect(stderr.text).toContain(
    'error: Command produced garbage: qemu-img exited with 0 but did not create ',
  );
  expect(readdirSync(rig.vmstore).filter((name) => !name.startsWith('.'))).toEqual([]);
});

const RANDOM = 'head -c 4096 /dev/urandom';

test.for<[string, string[]]>([
  ['an image that is there', ['run', 'test', '--cmd', 'true']],
  ['one that is there and is pulled', ['image', 'pull', 'test']],
  ['a qcow2', ['image', 'pull', 'new,file=disk.qcow2']],
  ['a disk of another format', ['image', 'pull', 'new,file=disk.raw']],
])('random bytes about %s are told as garbage', async ([, args]) => {
  await using rig = rigWith(RANDOM);
  rig.write({ 'disk.qcow2': disk('qcow2'), 'disk.raw': disk('raw') });
  const { exitCode, stderr } = await rig.run(args);
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain('Command produced garbage: unexpected output of qemu-img for ');
  expect(stderr.text).not.toMatch(/[^\x20-\x7e\n…✔✖❯⚠]/);
  expect(rig.images).toEqual(['test']);
  expect(rig.entries('start')).toEqual([]);
});

describe('an image of the backend', () => {
  test.for<[string, (path: string) => void]>([
    ['that was cut off', (path) => truncateSync(path, 100_000)],
    ['in the place of which something else was put', (path) => writeFileSync(path, 'x'.repeat(4096))],
    ['that is empty', (path) => truncateSync(path, 0)],
  ])('%s is refused before anything boots', async ([, spoil]) => {
    await using rig = new Rig();
    const path = join(rig.backend, rig.stored());
    chmodSync(path, 0o644);
    spoil(path);
    chmodSync(path, 0o444);
    const { exitCode, stderr } = await rig.run(['run', 'test', '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([
      expect.stringMatching(/image 'test' of the backend cannot be used[^]*hint: .*transient image rm test/),
    ]);
    expect(rig.entries('start')).toEqual([]);
  });
});

describe('what a check of a qcow2 says', () => {
  const says = (report: object, code: number): string => `echo '${JSON.stringify(report)}'; exit ${code}`;
  const found = { 'check-errors': 0 };

  test.for<[string, string, string | undefined]>([
    ['nothing wrong', says(found, 0), undefined],
    ['leaks, which do no harm', says({ ...found, leaks: 3 }, 3), undefined],
    ['damage', says({ ...found, corruptions: 3 }, 2), 'it is corrupt or truncated'],
    ['a check that has errors', says({ 'check-errors': 3 }, 1), 'it cannot be checked completely'],
    [
      'that it cannot open it',
      "echo 'qemu-img: no luck' >&2; exit 1",
      'qemu-img cannot open it\n  qemu-img: no luck',
    ],
    ['nothing, killed', 'kill -9 $$', 'qemu-img failed (killed by SIGKILL)'],
    ['that it does not know how', "echo 'no such option' >&2; exit 63", 'qemu-img failed (exit code 63)'],
    ['garbage, and ends with 0', RANDOM, 'Command produced garbage'],
    ['garbage, and ends with 2', `${RANDOM}; exit 2`, 'Command produced garbage'],
  ])('%s', async ([, script, error]) => {
    await using rig = rigWith(insteadOf('check', script));
    rig.write({ 'disk.qcow2': disk('qcow2') });
    const { exitCode, stderr } = await rig.pull('new,file=disk.qcow2');
    expect(exitCode).toBe(error === undefined ? 0 : 1);
    expect(errorsIn(stderr.text)).toEqual(error === undefined ? [] : [expect.stringContaining(error)]);
  });
});

/** The real qemu-img, but for one of its commands. */
function insteadOf(command: string, script: string): string {
  const real = execFileSync('which', ['qemu-img']).toString().trim();
  return `[ "$1" = ${command} ] || exec ${real} "$@"\n${script}`;
}

/** A rig with an image, and a qemu-img that is another program. */
function rigWith(script: string): Rig {
  const rig = new Rig();
  rig.stored();
  rig.write({ 'bin/qemu-img': `#!/bin/sh\n${script}\n` });
  const bin = join(rig.work, 'bin');
  chmodSync(join(bin, 'qemu-img'), 0o755);
  rig.environment['PATH'] = `${bin}:${rig.environment['PATH'] ?? ''}`;
  return rig;
}
