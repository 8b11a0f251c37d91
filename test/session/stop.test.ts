import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Faults } from '../fakes/qemu/faults.ts';
import { processesWith } from '../rig/processes.ts';
import type { Program } from '../rig/program.ts';
import { Rig } from '../rig/rig.ts';
import { until } from '../rig/until.ts';
import {
  LIFE,
  STAYS,
  TCG,
  created,
  end,
  errorsOf,
  livesOf,
  runDirectories,
  running,
  succeeded,
} from '../rig/vms.ts';

describe('stop', () => {
  test('the VM is shut down in order, and free when stop returns', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    const { exitCode, stdout } = await rig.run(['stop', 'x']);
    expect(exitCode).toBe(0);
    expect(stdout.text).toBe('');
    expect(existsSync(`/proc/${owner.pid}/exe`)).toBe(false);
    await succeeded(rig, ['start', 'x', '--cmd', 'true']);
    expect(livesOf(rig)).toEqual([...LIFE, ...LIFE]);
    expect(await owner.ended).toMatchObject({ exitCode: 143, signal: null });
  });

  test('a guest that takes its time is waited for', async () => {
    await using rig = new Rig({ faults: { ignorePowerdown: true } });
    await created(rig, 'x', '--shutdown-timeout', '0.5');
    const owner = await running(rig, ['start', 'x']);
    await succeeded(rig, ['stop', 'x']);
    expect(rig.entries('end')).toHaveLength(1);
    expect((await owner.ended).stderr.text).toContain('did not shut down within 0.5 s');
  });

  test('a stateless one is stopped by the name that ps shows', async () => {
    await using rig = new Rig();
    const owner = await running(rig, ['run', rig.stored()]);
    await succeeded(rig, ['stop', `test-${owner.pid}`]);
    expect((await owner.ended).exitCode).toBe(143);
  });

  test.for(['stop', 'stop --kill'])(
    '%s: one that is not there is told, and the others are stopped',
    async (command) => {
      await using rig = new Rig();
      for (const name of ['a', 'b', 'off']) await created(rig, name);
      const owners = [await running(rig, ['start', 'a']), await running(rig, ['start', 'b'])];
      const { exitCode, stderr } = await rig.run([...command.split(' '), 'a', 'nope', 'off', 'b']);
      expect(exitCode).toBe(1);
      expect(errorsOf(stderr.text)).toEqual([
        "No running VM found with the name 'nope'",
        "No running VM found with the name 'off'",
      ]);
      await Promise.all(owners.map(({ ended }) => ended));
      expect(await succeeded(rig, ['ps', '--json'])).toBe('[]\n');
    },
  );

  test('one that still boots is stopped too', async () => {
    await using rig = new Rig({ faults: { noSsh: true } });
    await created(rig, 'x');
    const owner = rig.start(['start', 'x', ...TCG, '--cmd', 'true']);
    await until('the VM', () => runDirectories(rig).some((run) => existsSync(join(run, '1/vm.json'))));
    await succeeded(rig, ['stop', 'x']);
    expect((await owner.ended).exitCode).toBe(143);
  });

  test('and one whose QEMU does not answer yet', async () => {
    await using rig = new Rig({ faults: { noQmp: true } });
    await created(rig, 'x');
    const owner = rig.start(['start', 'x', ...TCG, '--cmd', 'true']);
    await rig.happened('start');
    await succeeded(rig, ['stop', 'x']);
    expect((await owner.ended).exitCode).toBe(143);
  });

  test('one whose owner is suspended', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    owner.signal('SIGSTOP');
    await succeeded(rig, ['stop', 'x']);
    expect((await owner.ended).exitCode).toBe(143);
    expect(rig.entries('powerdown')).toHaveLength(1);
  });

  test('the wait for it can be ended, and the VM ends all the same', async () => {
    await using rig = new Rig({ faults: { ignorePowerdown: true } });
    await created(rig, 'x', '--shutdown-timeout', '1');
    const owner = await running(rig, ['start', 'x']);
    const stop = rig.start(['stop', 'x']);
    await rig.happened('powerdown');
    stop.signal('SIGINT');
    expect((await stop.ended).exitCode).toBe(130);
    expect(owner.runs).toBe(true);
    expect((await owner.ended).exitCode).toBe(143);
  });

  test('one of another store is not meant', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    const { exitCode } = await rig.run(['stop', 'x', '--vmstore', join(rig.work, 'other')]);
    expect(exitCode).toBe(1);
    expect(owner.runs).toBe(true);
    await end(owner);
  });
});

describe('stop --kill', () => {
  test('leaves no process and no run directory, and the guest is not asked', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    await succeeded(rig, ['stop', '--kill', 'x']);
    expect(processesWith('TRANSIENT_RIG', rig.root)).toEqual([]);
    expect(runDirectories(rig)).toEqual([]);
    expect(rig.entries('powerdown')).toEqual([]);
    expect((await owner.ended).signal).toBe('SIGKILL');
    await succeeded(rig, ['start', 'x', '--cmd', 'true']);
  });

  test('also where the owner and its QEMU hear nothing', async () => {
    await using rig = new Rig({ faults: { ignorePowerdown: true, ignoreTerm: true } });
    await created(rig, 'x', '--shutdown-timeout', '1000');
    const owner = await running(rig, ['start', 'x']);
    owner.signal('SIGTERM');
    await rig.happened('powerdown');
    await succeeded(rig, ['stop', '-k', 'x']);
    expect(processesWith('TRANSIENT_RIG', rig.root)).toEqual([]);
  });
});

describe('several VMs of one "up"', () => {
  test('stop of one ends all of them, with a message', async () => {
    await using rig = project({ a: true, b: false });
    const owner = await up(rig);
    const { exitCode, stderr } = await rig.run(['stop', 'work-a']);
    expect(exitCode).toBe(0);
    expect(stderr.text).toContain("Stopping VM 'work-a' also stops 'work-b': they belong to the same run");
    expect((await owner.ended).exitCode).toBe(143);
    expect(await succeeded(rig, ['ps', '--json'])).toBe('[]\n');
  });

  test('stop of all of them ends nothing else', async () => {
    await using rig = project({ a: true, b: true });
    const owner = await up(rig);
    const { exitCode, stderr } = await rig.run(['stop', 'work-a', 'work-b']);
    expect(exitCode).toBe(0);
    expect(stderr.text).not.toContain('ends as a whole');
    expect((await owner.ended).exitCode).toBe(143);
  });

  test.for(['stop', 'rm --force'])('%s of all of them shuts each down in order', async (command) => {
    await using rig = project({ a: true, b: true }, { ignorePowerdown: true });
    const owner = await up(rig);
    const asked = await rig.run([...command.split(' '), 'work-a', 'work-b']);
    expect(asked.exitCode).toBe(0);
    // a second signal would end it at once
    expect(asked.stderr.text.match(/^Asking process/gm)).toHaveLength(1);
    const { exitCode, stderr } = await owner.ended;
    expect(exitCode).toBe(143);
    expect(stderr.text.match(/did not shut down within 0\.5 s/g)).toHaveLength(2);
    expect(
      rig
        .entries('end')
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['work-a', 'work-b']);
  });

  test('of one and the same name are both stopped', async () => {
    await using rig = project({ a: false, b: false });
    const owners = [await up(rig), await up(rig)];
    await succeeded(rig, ['stop', 'work-a']);
    const ended = await Promise.all(owners.map((owner) => owner.ended));
    expect(ended.map(({ exitCode }) => exitCode)).toEqual([143, 143]);
  });
});

/** A rig with a project named "work" whose VMs stay up; those that are true keep their state. */
function project(vms: Readonly<Record<string, boolean>>, faults: Faults = {}): Rig {
  const rig = new Rig({ faults });
  rig.stored();
  const tables = Object.entries(vms).map(
    ([name, persistent]) =>
      `[vms.${name}]\nimage = "test"\nssh-command = "${STAYS}"\npersistent = ${persistent}\nshutdown-timeout = 0.5\n`,
  );
  rig.write({ 'Transientfile.toml': tables.join('') });
  return rig;
}

async function up(rig: Rig): Promise<Program> {
  const program = rig.start(['up']);
  await program.waitFor(/\| up\n.*\| up\n/, 'stdout');
  return program;
}

test('a second stop waits with the first, and the guest has its time', async () => {
  await using rig = new Rig({ faults: { ignorePowerdown: true } });
  await created(rig, 'x');
  const owner = rig.start(['start', 'x', '--cmd', 'sleep 1000', '--shutdown-timeout', '2']);
  await rig.happened('command');
  const stops = [rig.run(['stop', 'x']), rig.happened('powerdown').then(() => rig.run(['stop', 'x']))];
  const [first, second] = await Promise.all(stops);
  expect([first?.exitCode, second?.exitCode]).toEqual([0, 0]);
  expect(second?.stderr.text).toContain("is already stopping VM 'x'");
  const { stderr } = await owner.ended;
  expect(stderr.text).toContain('did not shut down within 2 s and was terminated');
});
