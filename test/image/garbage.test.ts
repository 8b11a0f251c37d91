import { chmodSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';

test('a qemu-img that prints something else than JSON is told by what it printed', async () => {
  await using rig = rigWith('echo "what a day"');
  const { exitCode, stderr } = await rig.run(['image', 'ls']);
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain('error: Command produced garbage: qemu-img says nothing of use about ');
  expect(stderr.text).toContain('\n  what a day\n');
  expect(stderr.text).not.toContain('bug in transient');
});

test('one that makes nothing makes no VM', async () => {
  await using rig = rigWith('exit 0');
  const { exitCode, stdout, stderr } = await rig.run(['create', 'test', '--name', 'vm']);
  expect({ exitCode, stdout: stdout.text }).toEqual({ exitCode: 1, stdout: '' });
  expect(stderr.text).toContain('error: Command produced garbage: qemu-img ended with 0 and has not made ');
  expect(readdirSync(rig.vmstore).filter((name) => !name.startsWith('.'))).toEqual([]);
});

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
