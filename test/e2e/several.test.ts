import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunReport } from '../../src/report/run-report.ts';
import { realRig, tinyProject } from './guests.ts';

test('two VMs run at the same time, both outputs arrive, the first failure is the exit code', async () => {
  await using rig = realRig();
  // each waits for the other's clock to pass its own start: that ends only if they overlap
  rig.write({
    'Transientfile.toml': tinyProject(`[project]
name = "pair"
[vms.first]
image = "tiny"
ssh-command = "echo began; sleep 15; echo ended; exit 3"
[vms.second]
image = "tiny"
ssh-command = "echo began; sleep 15; echo ended"
`),
  });
  const { exitCode, stdout } = await rig.run([
    ...['up', '--keep-going', '--report', 'json=report.json', '--log-dir', 'logs'],
  ]);
  expect(exitCode).toBe(3);
  const [begun, ended] = [stdout.text.split('\n').slice(0, 2), stdout.text.split('\n').slice(2, 4)];
  // in order of arrival: both began before either ended
  expect(begun.toSorted()).toEqual(['first  | began', 'second | began']);
  expect(ended.toSorted()).toEqual(['first  | ended', 'second | ended']);
  const kept = (name: string): string => readFileSync(join(rig.work, name), 'utf8');
  const { vms } = JSON.parse(kept('report.json')) as RunReport;
  expect(vms.map(({ verdict, stdout }) => [verdict.kind, stdout])).toEqual([
    ['failed', 'began\nended\n'],
    ['passed', 'began\nended\n'],
  ]);
  expect(kept('logs/second.serial.log')).toContain('Linux version');
});

test('a service is up while the VM that depends on it runs its command', async () => {
  await using rig = realRig();
  rig.write({
    'Transientfile.toml': tinyProject(`[vms.db]
image = "tiny"
[vms.client]
image = "tiny"
depends-on = ["db"]
ssh-command = "hostname"
`),
  });
  const { exitCode, stdout, stderr } = await rig.run(['up', 'client']);
  expect(exitCode).toBe(0);
  expect(stdout.text).toBe('client | tiny\n');
  const news = [
    'db: Wait for ssh: done',
    'client: Boot: done',
    'client: Shut down: done',
    'db: Shut down: done',
  ];
  const positions = news.map((line) => stderr.text.indexOf(line));
  expect(positions).toEqual([...positions].sort((a, b) => a - b));
  expect(positions[0]).toBeGreaterThanOrEqual(0);
});
