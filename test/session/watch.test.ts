import { appendFileSync, chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Program } from '../rig/program.ts';
import { Rig } from '../rig/rig.ts';
import { until } from '../rig/until.ts';

const FILE = `
[defaults]
accel = "tcg"
[vms.db]
image = "test"
[vms.job]
image = "test"
depends-on = ["db"]
ssh-command = "cat source; echo"
direct-copy = true
copy-in-before = ["./source:./copied"]
`;

test('ten changes in quick succession make one run, of what they touch and of the commands', async () => {
  await using rig = project();
  const up = await watching(rig);
  for (let count = 1; count <= 10; count += 1) {
    writeFileSync(join(rig.work, 'source'), `edit ${count}`);
    await delay(30);
  }
  await up.waitFor(/(Watching for changes[\s\S]*){2}/);
  await until('the second run of the job', () => startsOf(rig, 'job') === 2);
  expect(startsOf(rig, 'db')).toBe(1);
  await ends(up, rig);
  expect(startsOf(rig, 'job')).toBe(2);
});

test('a file that is broken is reported, and what runs stays; one that is whole again is taken up', async () => {
  await using rig = project();
  const up = await watching(rig);
  const path = join(rig.work, 'Transientfile.toml');
  appendFileSync(path, 'memry = "1G"\n');
  await up.waitFor(/unknown key "memry"[\s\S]*did you mean "memory"\?/);
  expect([startsOf(rig, 'db'), startsOf(rig, 'job')]).toEqual([1, 1]);
  writeFileSync(path, readFileSync(path, 'utf8').replace('memry = "1G"\n', '[vms.new]\nimage = "test"\n'));
  await until('the new VM', () => startsOf(rig, 'new') === 1);
  await until('the second run of the job', () => startsOf(rig, 'job') === 2);
  expect(startsOf(rig, 'db')).toBe(1);
  await ends(up, rig);
});

test('what runs or opens something on the host is not taken up, and told once for each VM', async () => {
  await using rig = project();
  const up = await watching(rig);
  const path = join(rig.work, 'Transientfile.toml');
  rig.write({ x: `#!/bin/sh\ntouch ${rig.work}/ran\nexec qemu-system-x86_64 "$@"\n` });
  chmodSync(join(rig.work, 'x'), 0o755);
  const held = [
    readFileSync(path, 'utf8').replace('[vms.job]', 'qemu-bin-name = "./x"\nmemory = "2G"\n[vms.job]'),
    '[vms.new]\nimage = "test"\nforward = ["0.0.0.0:8080:80"]\n[vms.fine]\nimage = "test"\n',
  ].join('');
  writeFileSync(path, held);
  await up.waitFor(/db: restart up to use the new qemu-bin-name\nnew: restart up to use the new forward\n/);
  await until('the VM that uses nothing', () => startsOf(rig, 'fine') === 1);
  await until('the second run of the job', () => up.stderr.text.split('job: Shut down: done').length === 3);
  appendFileSync(path, 'memory = "2G"\n');
  await until('the other VM', () => startsOf(rig, 'fine') === 2);
  await until('the third run of the job', () => startsOf(rig, 'job') === 3);
  await ends(up, rig);
  expect([startsOf(rig, 'db'), startsOf(rig, 'new'), existsSync(join(rig.work, 'ran'))]).toEqual([
    1,
    0,
    false,
  ]);
  expect(up.stderr.text.match(/restart up/g)).toHaveLength(2);
});

test('a file that is wrong from the start is reported, and nothing begins', async () => {
  await using rig = new Rig();
  rig.write({ 'Transientfile.toml': '[vms.a]\nimge = "x"\n' });
  expect((await rig.run(['up', '--watch'])).exitCode).toBe(1);
  expect((await rig.run(['up', '--watch', '--detach'])).exitCode).not.toBe(0);
  expect(rig.entries('start')).toEqual([]);
});

function project(): Rig {
  const rig = new Rig();
  rig.stored();
  rig.write({ 'Transientfile.toml': FILE.replaceAll('./copied', join(rig.root, 'copied')), source: 'first' });
  return rig;
}

/** Starts it, and returns once all has come up. */
async function watching(rig: Rig): Promise<Program> {
  const up = rig.start(['up', '--watch']);
  await up.waitFor(/Watching for changes/);
  await until('the end of the job', () => up.stderr.text.includes('job: Shut down: done'));
  return up;
}

async function ends(up: Program, rig: Rig): Promise<void> {
  up.signal('SIGINT');
  expect((await up.ended).exitCode).toBe(130);
  expect(rig.leftovers()).toEqual([]);
}

function startsOf(rig: Rig, vm: string): number {
  return rig.entries('start').filter(({ name }) => name === `work-${vm}`).length;
}
