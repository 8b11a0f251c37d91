import { describe, expect, test } from 'vitest';
import { until } from '../rig/until.ts';
import { guest, PATIENTLY, realRig } from './guests.ts';

const tiny = guest('tiny');

test('a disk that does not boot is reported with the time that was waited', async () => {
  await using rig = realRig();
  const args = ['run', `blank,file=${rig.image('blank.raw', 'raw')}`, '--accel', 'tcg', '--cmd', 'true'];
  const { exitCode, stderr } = await rig.run([...args, '--ssh-timeout', '3']);
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain('the guest did not offer ssh within 3 s');
});

test("an argument that QEMU does not know is reported in QEMU's words", async () => {
  await using rig = realRig();
  const { exitCode, stderr } = await rig.run([
    'run',
    tiny,
    '--accel',
    'tcg',
    '--cmd',
    'true',
    '--',
    '-nonsense',
  ]);
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain('-nonsense: invalid option');
});

test('a QEMU that only prints its version is no failure', async () => {
  await using rig = realRig();
  const { exitCode, stdout } = await rig.run(['run', tiny, '--cmd', 'true', '--', '-version']);
  expect(exitCode).toBe(0);
  expect(stdout.text).toContain('QEMU emulator version');
});

describe('signals', () => {
  test.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s during a command', async (signal, code) => {
    await using rig = realRig();
    const program = rig.start(['run', tiny, ...PATIENTLY, '--cmd', 'echo started; sleep 1000']);
    await program.waitFor(/started/, 'stdout');
    program.signal(signal);
    expect((await program.ended).exitCode).toBe(code);
  });

  test('SIGKILL takes QEMU with it, and the next run sweeps', async () => {
    await using rig = realRig();
    const program = rig.start(['run', tiny, ...PATIENTLY, '--cmd', 'echo started; sleep 1000']);
    await program.waitFor(/started/, 'stdout');
    program.signal('SIGKILL');
    await program.ended;
    await until('the end of QEMU', () => !rig.leftovers().some((left) => left.includes('qemu-system')));
    expect(rig.leftovers().filter((left) => left.startsWith('run directory'))).toHaveLength(1);
    await rig.run(['run', tiny, '--cmd', 'true', '--', '-version']);
    expect(rig.leftovers()).toEqual([]);
  });
});
