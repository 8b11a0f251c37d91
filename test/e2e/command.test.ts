import { createHash, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { guest, PATIENTLY, realRig } from './guests.ts';

const tiny = guest('tiny');

test('a command has stdout to itself, byte for byte, and its exit code is ours', async () => {
  await using rig = realRig();
  const command = 'head -c 10000000 /dev/urandom | tee /tmp/x; md5sum /tmp/x >&2; exit 7';
  const { exitCode, stdout, stderr } = await rig.run(['run', tiny, ...PATIENTLY, '--ssh-command', command]);
  expect(exitCode).toBe(7);
  expect(stdout.bytes.length).toBe(10_000_000);
  expect(stderr.text).toContain(createHash('md5').update(stdout.bytes).digest('hex'));
});

test('our stdin is the stdin of the command', async () => {
  await using rig = realRig();
  const stdin = randomBytes(3_000_000);
  const { exitCode, stdout } = await rig.run(['run', tiny, ...PATIENTLY, '--cmd', 'sha256sum'], { stdin });
  expect(exitCode).toBe(0);
  expect(stdout.text).toContain(createHash('sha256').update(stdin).digest('hex'));
});

test('an ssh console without a terminal takes its commands from stdin', async () => {
  await using rig = realRig();
  const stdin = 'echo "I am $(whoami) on $(hostname)"\nsudo id -u\nexit 5\n';
  const { exitCode, stdout } = await rig.run(['run', tiny, ...PATIENTLY, '--ssh'], { stdin });
  expect(exitCode).toBe(5);
  expect(stdout.text).toBe('I am vagrant on tiny\n0\n');
});

test('other cards and disk interfaces boot the guest, and a second disk is there', async () => {
  await using rig = realRig();
  const disk = `data,file=${rig.image('data.raw', 'raw')}`;
  const hardware = ['--no-virtio-scsi', '--ssh-net-driver', 'e1000', '--extra-image', disk, '-c', '2'];
  const command = 'ls /sys/bus/pci/drivers/e1000 | grep -c 0000:; ls /dev/sdb; nproc';
  const { exitCode, stdout } = await rig.run(['run', tiny, ...PATIENTLY, ...hardware, '--cmd', command]);
  expect(stdout.text).toBe('1\n/dev/sdb\n2\n');
  expect(exitCode).toBe(0);
});

test('what a guest writes is gone with it', async () => {
  await using rig = realRig();
  const args = ['run', tiny, ...PATIENTLY, '--cmd', 'test -e mark && echo kept; echo x > mark; sync'];
  const outputs = [await rig.run(args), await rig.run(args)].map(({ stdout }) => stdout.text);
  expect(outputs).toEqual(['', '']);
});

test('a full Debian boots, lets us in and shuts down in order', async () => {
  await using rig = realRig();
  const command = 'systemctl is-system-running --wait >&2; . /etc/os-release; echo "$ID"';
  const args = [
    'run',
    guest('debian'),
    ...PATIENTLY,
    '-m',
    '1G',
    '--cmd',
    command,
    '--shutdown-timeout',
    '120',
  ];
  const { exitCode, stdout, stderr } = await rig.run(args);
  expect(stdout.text).toBe('debian\n');
  expect(exitCode).toBe(0);
  expect(stderr.text).not.toContain('was terminated');
});
