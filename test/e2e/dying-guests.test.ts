import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { commandLineOf } from '../rig/processes.ts';
import type { Ended, Program } from '../rig/program.ts';
import type { Rig } from '../rig/rig.ts';
import { until } from '../rig/until.ts';
import { succeeded } from '../rig/vms.ts';
import { guest, PATIENTLY, realRig, tinyProject } from './guests.ts';

const tiny = guest('tiny');

const MINUTE = 60_000;

/** What makes ssh notice within seconds that a guest does not answer. */
const ASKING = ['--ssh-option', 'ServerAliveInterval=1', '--ssh-option', 'ServerAliveCountMax=3'];

test.for([
  ['reboots', 'sudo reboot -f', 'rebooted', 'reboot: Restarting system'],
  ['panics', 'echo c | sudo tee /proc/sysrq-trigger', 'panicked', 'Kernel panic - not syncing'],
  ['is powered off', 'sudo poweroff; sleep 1000', 'powered off', 'reboot: Power down'],
] as const)(
  'a guest that %s during a command is reported, with its console',
  async ([, command, fate, line]) => {
    await using rig = realRig();
    const run = await inGuest(rig, command);
    const { exitCode, stderr } = await soon(run);
    expect(stderr.text).toContain(`the guest ${fate} while ${JSON.stringify(command)} ran`);
    expect(stderr.text).toMatch(/the last lines of its serial console/);
    expect(stderr.text).toContain(line);
    expect(stderr.text.match(/error:/g)).toHaveLength(1);
    expect(exitCode).toBe(1);
    expect(rig.leftovers()).toEqual([]);
  },
);

test('a guest that stands still is reported once its ssh does not answer', async () => {
  await using rig = realRig();
  const run = await inGuest(rig, 'echo up; sleep 1000', ...ASKING);
  await run.waitFor(/^up$/m, 'stdout');
  freeze(rig);
  const { exitCode, stderr } = await soon(run);
  expect(stderr.text).toContain('the guest stopped responding while "echo up; sleep 1000" ran');
  expect(exitCode).toBe(1);
  expect(rig.leftovers()).toEqual([]);
});

test.for([
  ['one signal', [], /VM vm does not respond; terminating it/],
  ['two signals', ['SIGINT'], /Shut down: done/],
] as const)('a guest that stands still with a folder mounted is ended by %s', async ([, further, words]) => {
  await using rig = realRig();
  rig.write({ 'folder/file': 'x' });
  const run = await inGuest(rig, 'echo up; sleep 1000', '-s', './folder:/mnt/folder');
  await run.waitFor(/^up$/m, 'stdout');
  freeze(rig);
  run.signal('SIGTERM');
  for (const signal of further) {
    // of two that come together either may be handled first
    await delay(1000);
    run.signal(signal);
  }
  const { exitCode, stderr } = await soon(run);
  expect(stderr.text).toMatch(words);
  expect(exitCode).toBe(143);
  expect(rig.leftovers()).toEqual([]);
});

test.for([
  ['0, where the guest reboots right after it', 'sudo sh -c "(sleep 1; reboot -f) &" ; exit 0', 0],
  ['255, which ssh itself uses too', 'exit 255', 255],
] as const)('the exit code of a command stays its own: %s', async ([, command, code]) => {
  await using rig = realRig();
  const { exitCode, stderr } = await soon(await inGuest(rig, command));
  expect(stderr.text).not.toContain('the guest');
  expect(exitCode).toBe(code);
});

test('a panic is an error of the report, and no failure of the command', async () => {
  await using rig = realRig();
  const command = 'echo begun; echo c | sudo tee /proc/sysrq-trigger';
  const { exitCode } = await soon(await inGuest(rig, command, '--report', 'junit=junit.xml'));
  const report = readFileSync(join(rig.work, 'junit.xml'), 'utf8');
  expect(report).toMatch(/<testsuite [^>]*failures="0" errors="1"/);
  expect(report).toMatch(/<error [^>]*the guest panicked while/);
  expect(report).not.toContain('<failure');
  expect(report).toMatch(/<system-out>begun\n/);
  expect(exitCode).toBe(1);
});

test('two shared folders are read in turns without an end', async () => {
  await using rig = realRig();
  rig.write({ 'd/f': 'of d\n', 'e/f': 'of e\n' });
  const command = 'i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo a$i; cat /mnt/s/f /mnt/e/f; done';
  const run = await inGuest(rig, command, '-s', './d:/mnt/s', '-s', './e:/mnt/e');
  const { exitCode, stdout } = await soon(run, 3 * MINUTE);
  const turns = Array.from({ length: 100 }, (_none, index) => `a${index + 1}\nof d\nof e\n`);
  expect(stdout.text).toBe(turns.join(''));
  expect(exitCode).toBe(0);
});

test('down ends a detached VM whose QEMU does not answer, with a message', async () => {
  await using rig = realRig();
  rig.write({
    'Transientfile.toml': tinyProject(`[vms.a]
image = "tiny"
persistent = true
`),
  });
  await succeeded(rig, ['up', '-d']);
  freeze(rig);
  const down = await soon(rig.start(['down']));
  expect(down.stderr.text).toMatch(/VM a (does|did) not respond/);
  await until('the end of all that ran', () => rig.leftovers().length === 0);
});

/** Runs a command in the tiny guest, and returns once the guest has let us in. */
async function inGuest(rig: Rig, command: string, ...more: readonly string[]): Promise<Program> {
  const run = rig.start(['run', tiny, ...PATIENTLY, ...more, '--cmd', command]);
  run.write();
  await run.waitFor(/Wait for ssh: done/);
  return run;
}

/** How a program ended, which must be soon: one that hangs is killed with its rig. */
async function soon(program: Program, patience = MINUTE): Promise<Ended> {
  const late = delay(patience, undefined, { ref: false }).then(() => {
    throw new Error(`still runs after ${patience / 1000} s`);
  });
  return Promise.race([program.ended, late]);
}

/** Stops the one QEMU of a rig, as a host does that has no time for it. */
function freeze(rig: Rig): void {
  const machines = rig.processes.filter((pid) => /^\S*qemu-system-/.test(commandLineOf(pid)));
  expect(machines).toHaveLength(1);
  for (const pid of machines) process.kill(pid, 'SIGSTOP');
}
