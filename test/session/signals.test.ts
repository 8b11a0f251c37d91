import { describe, expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';

const SIGNALS = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const;

/** A rig looks by itself that nothing is left behind. */
describe.each(SIGNALS)('%s', (signal, code) => {
  test('while the guest boots', async () => {
    await using rig = new Rig({ faults: { noSsh: true } });
    const program = rig.start(['run', rig.stored(), '--cmd', 'true']);
    await rig.happened('qmp');
    program.signal(signal);
    expect((await program.ended).exitCode).toBe(code);
  });

  test('while QEMU does not yet answer', async () => {
    await using rig = new Rig({ faults: { noQmp: true } });
    const program = rig.start(['run', rig.stored(), '--cmd', 'true']);
    await rig.happened('start');
    program.signal(signal);
    expect((await program.ended).exitCode).toBe(code);
  });

  test('while a command runs', async () => {
    await using rig = new Rig();
    const program = rig.start(['run', rig.stored(), '--cmd', 'echo started; sleep 1000']);
    await program.waitFor(/started/, 'stdout');
    program.signal(signal);
    expect((await program.ended).exitCode).toBe(code);
  });

  test('while a command runs, to the whole process group as from a terminal', async () => {
    await using rig = new Rig();
    const program = rig.start(['run', rig.stored(), '--cmd', 'echo started; sleep 1000']);
    await program.waitFor(/started/, 'stdout');
    program.signalGroup(signal);
    expect((await program.ended).exitCode).toBe(code);
  });

  test("while QEMU's console is open", async () => {
    await using rig = new Rig();
    const program = rig.start(['run', rig.stored()]);
    await program.waitFor(/fake guest/, 'stdout');
    program.signal(signal);
    expect((await program.ended).exitCode).toBe(code);
  });

  test('the guest is shut down in order where that was asked for', async () => {
    await using rig = new Rig();
    const args = ['run', rig.stored(), '--cmd', 'echo started; sleep 1000', '--shutdown-timeout', '10'];
    const program = rig.start(args);
    await program.waitFor(/started/, 'stdout');
    program.signal(signal);
    expect((await program.ended).exitCode).toBe(code);
    expect(
      rig
        .entries()
        .map(({ moment }) => moment)
        .slice(-2),
    ).toEqual(['powerdown', 'end']);
  });
});

describe('a second signal', () => {
  test('ends the wait for a guest that takes its time', async () => {
    await using rig = new Rig({ faults: { ignorePowerdown: true } });
    const args = ['run', rig.stored(), '--cmd', 'echo started; sleep 1000', '--shutdown-timeout', '1000'];
    const program = rig.start(args);
    await program.waitFor(/started/, 'stdout');
    program.signal('SIGINT');
    await rig.happened('powerdown');
    program.signal('SIGTERM');
    // the first signal is what the run ended for
    expect((await program.ended).exitCode).toBe(130);
  });

  test('and so does the same signal twice at once', async () => {
    await using rig = new Rig();
    const program = rig.start(['run', rig.stored(), '--cmd', 'echo started; sleep 1000']);
    await program.waitFor(/started/, 'stdout');
    program.signal('SIGINT');
    program.signal('SIGINT');
    expect((await program.ended).exitCode).toBe(130);
  });
});

test('a signal before anything has begun', async () => {
  await using rig = new Rig();
  const program = rig.start(['run', `new,file=${rig.image('disk.raw', 'raw')}`, '--cmd', 'true']);
  await program.waitFor(/Unable to find image/);
  program.signal('SIGTERM');
  expect((await program.ended).exitCode).toBe(143);
});
