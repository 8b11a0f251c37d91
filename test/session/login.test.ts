import { expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';

test('a guest that greets late is waited for', async () => {
  await using rig = new Rig({ faults: { bannerDelay: 500 } });
  const { exitCode, stdout } = await rig.run(['run', rig.stored(), '--cmd', 'echo in']);
  expect(exitCode).toBe(0);
  expect(stdout.text).toBe('in\n');
});

test('a guest that refuses the first logins is asked again', async () => {
  await using rig = new Rig({ faults: { refuseLoginTimes: 2 } });
  const { exitCode, stdout } = await rig.run(['run', rig.stored(), '--cmd', 'echo in']);
  expect(exitCode).toBe(0);
  expect(stdout.text).toBe('in\n');
});

test('a guest that never greets is given up, with the end of its serial console', async () => {
  await using rig = new Rig({ faults: { noSsh: true, serial: 'Give root password for maintenance' } });
  const { exitCode, stdout, stderr } = await rig.run([
    'run',
    rig.stored(),
    '--cmd',
    'true',
    '--ssh-timeout',
    '0.5',
  ]);
  expect(exitCode).toBe(1);
  expect(stdout.text).toBe('');
  expect(stderr.text).toContain('the guest did not offer ssh within 0.5 s');
  // without the control sequences of the console
  expect(stderr.text).toMatch(/^ +Linux version 6\.1\.0-fake$/m);
  expect(stderr.text).toContain('Give root password for maintenance');
});

test('a guest that lets no one in is given up, with its refusal', async () => {
  await using rig = new Rig({ faults: { refuseLogin: true } });
  const args = ['run', rig.stored(), '--cmd', 'true', '--ssh-timeout', '1', '--ssh-user', 'root'];
  const { exitCode, stderr } = await rig.run(args);
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain('did not accept a login of user "root" within 1 s');
  expect(stderr.text).toContain('--ssh-user');
});

test('an ssh program that is not there is reported by its name', async () => {
  await using rig = new Rig();
  const { exitCode, stderr } = await rig.run([
    'run',
    rig.stored(),
    '--cmd',
    'true',
    '--ssh-bin-name',
    'no-such-ssh',
  ]);
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain("Required program 'no-such-ssh' is not installed");
});
