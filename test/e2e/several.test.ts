import { expect, test } from 'vitest';
import { guest, realRig } from './guests.ts';

const [, source = ''] = guest('tiny').split(',');

test('two VMs run at the same time, both outputs arrive, the first failure is the exit code', async () => {
  await using rig = realRig();
  // each waits for the other's clock to pass its own start: that ends only if they overlap
  rig.write({
    'Transientfile.toml': `
[project]
name = "pair"
[defaults]
memory = "512M"
accel = "tcg"
ssh-timeout = 300
[images.tiny]
source = "${source}"
[vms.first]
image = "tiny"
ssh-command = "date +%s; sleep 20; date +%s; exit 3"
[vms.second]
image = "tiny"
ssh-command = "date +%s; sleep 20; date +%s"
`,
  });
  const { exitCode, stdout } = await rig.run(['up']);
  expect(exitCode).toBe(3);
  const times = stdout.text.trim().split('\n').map(Number);
  expect(times).toHaveLength(4);
  // in order of arrival: both began before either ended
  const [, secondStart = 0, firstEnd = 0] = times;
  expect(firstEnd - secondStart).toBeGreaterThan(0);
});

test('a service is up while the VM that depends on it runs its command', async () => {
  await using rig = realRig();
  rig.write({
    'Transientfile.toml': `
[defaults]
memory = "512M"
accel = "tcg"
ssh-timeout = 300
[images.tiny]
source = "${source}"
[vms.db]
image = "tiny"
[vms.client]
image = "tiny"
depends-on = ["db"]
ssh-command = "hostname"
`,
  });
  const { exitCode, stdout, stderr } = await rig.run(['up', 'client']);
  expect(exitCode).toBe(0);
  expect(stdout.text).toBe('tiny\n');
  const news = ['db: Wait for ssh: done', 'client: Boot: done', 'client: Stop: done', 'db: Stop: done'];
  const positions = news.map((line) => stderr.text.indexOf(line));
  expect(positions).toEqual([...positions].sort((a, b) => a - b));
  expect(positions[0]).toBeGreaterThanOrEqual(0);
});
