import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { PROTOCOL_VERSION } from '../../src/daemon/protocol.ts';
import { childrenOf, commandLineOf } from '../rig/processes.ts';
import { projectRecord, withProtocol } from '../rig/project-record.ts';
import { project } from '../rig/project.ts';
import { Rig } from '../rig/rig.ts';
import { until } from '../rig/until.ts';
import { TCG, runDirectories, succeeded } from '../rig/vms.ts';

const FATES = [
  ['reboot', 'rebooted'],
  ['panic', 'panicked'],
  ['panic-on-serial', 'panicked'],
  ['poweroff', 'powered off'],
] as const;

describe.each(FATES)('a guest that does this in the middle: %s', (fate, words) => {
  test('of a command is reported, with its console, as an error of the report', async () => {
    await using rig = new Rig({ faults: { fate } });
    const args = ['run', rig.stored(), ...TCG, '--report', 'junit=out.xml', '--cmd', 'meet fate'];
    const { exitCode, stderr } = await rig.run(args);
    expect(stderr.text).toContain(`vm: error: the guest ${words} while "meet fate" ran`);
    expect(stderr.text).toMatch(/last lines of its serial console:\n.*Linux version/s);
    expect(exitCode).toBe(1);
    const report = readFileSync(join(rig.work, 'out.xml'), 'utf8');
    expect(report).toMatch(/<error message="[^"]*the guest/);
    expect(report).not.toContain('<failure');
  });

  test('of what makes it ready is reported as that', async () => {
    await using rig = project({ a: 'ready-command = "meet fate"\nssh-command = "true"' }, { fate });
    const { exitCode, stderr } = await rig.run(['up']);
    expect(stderr.text).toContain(`a: error: the guest ${words} during "Wait for meet fate"`);
    expect(exitCode).toBe(1);
  });
});

test('a guest that panics before it offers ssh is not waited for', async () => {
  await using rig = new Rig({ faults: { noSsh: true, panicsAfter: 100 } });
  const args = ['run', rig.stored(), ...TCG, '--ssh-timeout', '1000', '--cmd', 'true'];
  const { exitCode, stderr } = await rig.run(args);
  expect(stderr.text).toContain('the guest panicked before it could be logged in to');
  expect(exitCode).toBe(1);
});

test('a command that has ended with 0 has ended well, whatever its guest does then', async () => {
  await using rig = new Rig({ faults: { panicsAfter: 1000 } });
  const args = ['run', rig.stored(), ...TCG, '--cmd', 'sleep 0.6; exit 0'];
  expect((await rig.run(args)).exitCode).toBe(0);
});

describe('a detached project', () => {
  test('reports a VM that has ended by itself: in ps, in its log, and at down', async () => {
    await using rig = project({ a: '', b: '' });
    await succeeded(rig, ['up', '-d']);
    const [first] = rig.entries('start').filter(({ name }) => name === 'work-a');
    process.kill(first?.pid ?? 0, 'SIGTERM');
    await rig.happened('end', 'work-a');
    await until('its end', async () => /work-a .*Ended by itself/.test(await succeeded(rig, ['ps'])));
    expect(await succeeded(rig, ['logs'])).toContain('VM a has ended by itself');
    const { stderr, exitCode } = await rig.run(['down']);
    expect(stderr.text).toMatch(/^VM a has ended by itself$/m);
    expect(exitCode).toBe(0);
    expect(await succeeded(rig, ['ps'])).not.toContain('work-');
  });

  test('reports it also when that was its last VM', async () => {
    await using rig = project({ a: '' }, { panicsAfter: 1500 });
    await succeeded(rig, ['up', '-d']);
    await until('the end of the project', () => rig.processes.length === 0);
    expect(await succeeded(rig, ['ps'])).toMatch(/work-a .*Ended by itself/);
    expect(await succeeded(rig, ['logs'])).toContain('a: error: the guest panicked');
    const { stderr } = await rig.run(['down']);
    expect(stderr.text).toBe('No VM of this project is running detached\nVM a has ended by itself\n');
    expect((await rig.run(['down'])).stderr.text).toBe('No VM of this project is running detached\n');
  });

  test('ends with a guest that stands still, with a message', async () => {
    await using rig = project({ a: 'persistent = true\nqmp-timeout = 1\nshutdown-timeout = 60' });
    await succeeded(rig, ['up', '-d']);
    freeze(rig);
    const { exitCode, stderr } = await rig.run(['down']);
    expect(stderr.text).toContain('VM a did not respond; it was terminated');
    expect(exitCode).toBe(0);
  });

  test('down --kill asks no guest', async () => {
    await using rig = project({ a: 'persistent = true\nshutdown-timeout = 1000' }, { ignorePowerdown: true });
    await succeeded(rig, ['up', '-d']);
    expect((await rig.run(['down', '--kill'])).exitCode).toBe(0);
    expect(rig.entries('powerdown')).toEqual([]);
  });

  test('down --kill ends a process, too, that does not answer', async () => {
    await using rig = project({ a: '' });
    await succeeded(rig, ['up', '-d']);
    const [supervisor = 0] = rig.processes.filter((pid) => commandLineOf(pid).includes('__supervise'));
    process.kill(supervisor, 'SIGSTOP');
    const env = { TRANSIENT_PATIENCE: '0.05' };
    const refused = await rig.run(['down'], { env });
    expect(refused.stderr.text).toMatch(/process \d+, which runs the project, did not answer.*down --kill/s);
    const { exitCode, stderr } = await rig.run(['down', '--kill'], { env });
    expect(stderr.text).toContain(`Killing process ${supervisor}`);
    expect(exitCode).toBe(0);
  });

  test('of another version is not talked to, and ends with down --kill', async () => {
    await using rig = project({ a: '' });
    await succeeded(rig, ['up', '-d']);
    withProtocol(rig.runtime, 99);
    const refused = await rig.run(['down']);
    expect(refused.stderr.text).toMatch(/started by another version of transient.*down --kill/s);
    expect(refused.exitCode).toBe(1);
    expect((await rig.run(['down', '--kill'])).exitCode).toBe(0);
    await until('its end', () => rig.processes.length === 0);
  });

  test.each([
    [
      'of a client without a version',
      { plan: { steps: [], foreground: [], exitFrom: [] }, vms: [] },
      'another version',
    ],
    ['without a plan', { version: PROTOCOL_VERSION, vms: [] }, 'plan'],
    ['with steps that are none', { version: PROTOCOL_VERSION, plan: { steps: [1] }, vms: [] }, 'steps'],
  ])('refuses a request %s', async (_name, request, expected) => {
    await using rig = project({ a: '' });
    await succeeded(rig, ['up', '-d']);
    const events = await eventsOf(
      join(dirname(projectRecord(rig.runtime)), 'control'),
      JSON.stringify(request),
    );
    expect(events.find((event) => 'line' in event)?.line).toContain(expected);
    expect(events.at(-1)).toEqual({ exit: 1 });
    await succeeded(rig, ['down']);
  });

  test('ends by two signals whatever its guest does', async () => {
    await using rig = project({ a: 'persistent = true\nshutdown-timeout = 1000\nqmp-timeout = 1000' });
    await succeeded(rig, ['up', '-d']);
    freeze(rig);
    const [supervisor = 0] = rig.processes.filter((pid) => commandLineOf(pid).includes('__supervise'));
    for (const signal of TWICE) process.kill(supervisor, signal);
    await until('its end', () => rig.processes.length === 0);
  });
});

/** Events that a supervisor sends for one line on its socket. */
async function eventsOf(socketPath: string, line: string): Promise<{ line?: string; exit?: number }[]> {
  const socket = createConnection(socketPath);
  await once(socket, 'connect');
  socket.write(`${line}\n`);
  const events = await text(socket);
  return events
    .trimEnd()
    .split('\n')
    .map((event) => JSON.parse(event) as { line?: string; exit?: number });
}

describe('a second signal', () => {
  test('leaves nothing, not even where a program cannot be ended', async () => {
    await using rig = new Rig({ faults: { ignorePowerdown: true } });
    const script = join(rig.work, 'my-ssh');
    // a process that nobody can end takes a kernel that hangs: this one only ignores what it can
    const ours = 'case "$*" in */bin/sh*) exec ssh "$@" ;; esac';
    const lines = ['#!/bin/sh', 'trap "" TERM INT HUP', ours, 'ssh "$@"', 'sleep 1000', ''];
    writeFileSync(script, lines.join('\n'), { mode: 0o755 });
    const args = ['run', rig.stored(), ...TCG, '--ssh-bin-name', script, '--shutdown-timeout', '1000'];
    const program = rig.start([...args, '--cmd', 'echo up; sleep 1000']);
    await program.waitFor(/up/, 'stdout');
    for (const signal of TWICE) program.signal(signal);
    // of two that come together either may be handled first
    expect([130, 143]).toContain((await program.ended).exitCode);
    expect(runDirectories(rig)).toEqual([]);
    await until('the end of all', () => rig.processes.length === 0);
  });
});

test('a reader that does not read holds up no end', async () => {
  await using rig = new Rig();
  const code = join(rig.root, 'code');
  const args = ['run', rig.stored(), ...TCG, '--report', 'json=out.json', '--cmd', 'yes'];
  const line = rig.commandLine(args).join(' ');
  const shell = rig.startCommand(['sh', '-c', `{ ${line}; echo $? >${code}; } | sleep 1000`]);
  await rig.happened('command');
  const owner = await until('the program', () =>
    rig.processes.find((pid) => commandLineOf(pid).startsWith(line) && childrenOf(pid).length > 0),
  );
  process.kill(owner, 'SIGTERM');
  await until('its exit code', () => {
    try {
      return readFileSync(code, 'utf8') === '143\n';
    } catch {
      return false;
    }
  });
  await shell.kill();
});

/**
 * Two that are not taken for one, as the same signal may be that comes again at once; of those that are pending together
 * the kernel delivers the one with the lower number first.
 */
const TWICE = ['SIGINT', 'SIGTERM'] as const;

/** Stops the fake QEMU, as a real one stands still that the kernel has stopped. */
function freeze(rig: Rig): void {
  for (const { pid } of rig.entries('start')) process.kill(pid, 'SIGSTOP');
}
