import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { project, writeProject } from '../rig/project.ts';
import type { Rig } from '../rig/rig.ts';
import { until } from '../rig/until.ts';
import { runDirectories, succeeded } from '../rig/vms.ts';

test('up --detach returns when all are ready; down ends them in reverse order', async () => {
  await using rig = project({ db: '', web: 'depends-on = ["db"]' });
  await succeeded(rig, ['up', '--detach']);
  expect(await names(rig)).toEqual(['work-db', 'work-web']);
  const down = await rig.run(['down']);
  expect(await names(rig)).toEqual([]);
  const stops = down.stderr.text.match(/^\w+: Shut down: done/gm);
  expect(stops).toEqual(['web: Shut down: done', 'db: Shut down: done']);
  expect(rig.leftovers()).toEqual([]);
});

test('a second up does nothing, and what has changed is replaced alone', async () => {
  await using rig = project({ db: '', web: 'depends-on = ["db"]' });
  await succeeded(rig, ['up', '-d']);
  const again = await rig.run(['up', '-d']);
  expect(again.stderr.text).toBe('Nothing to do: 2 VMs are running as configured\n');
  expect((await rig.run(['plan'])).stdout.text).toBe('Plan: 0 VMs, 0 steps\n');
  writeProject(rig, { db: '', web: 'depends-on = ["db"]\nmemory = "300M"' });
  const plan = await succeeded(rig, ['plan']);
  expect(plan).toMatch(/web[\s\S]*Stop VM web[\s\S]*Boot \(300M/);
  expect(plan).not.toContain('db\n');
  await succeeded(rig, ['up']);
  expect(rig.entries('start').map(({ name }) => name)).toEqual(['work-db', 'work-web', 'work-web']);
  expect(await names(rig)).toEqual(['work-db', 'work-web']);
  // once more, and with a VM that is new
  writeProject(rig, { db: '', web: 'depends-on = ["db"]\nmemory = "400M"', new: '' });
  await succeeded(rig, ['up']);
  expect(rig.entries('start').at(-1)?.name).toMatch(/work-(web|new)/);
  expect(await names(rig)).toEqual(['work-db', 'work-new', 'work-web']);
  await succeeded(rig, ['down']);
  expect(rig.leftovers()).toEqual([]);
});

test('a VM that is replaced takes those with it that depend on it, also where it has a port of its own', async () => {
  const port = 'ssh-port = 28422';
  await using rig = project({ db: port, web: 'depends-on = ["db"]', other: '' });
  await succeeded(rig, ['up', '-d']);
  writeProject(rig, { db: `${port}\nmemory = "300M"`, web: 'depends-on = ["db"]', other: '' });
  await succeeded(rig, ['up', '-d']);
  const starts = rig.entries('start').map(({ name }) => name);
  expect(starts.toSorted()).toEqual(['work-db', 'work-db', 'work-other', 'work-web', 'work-web']);
  expect(await names(rig)).toEqual(['work-db', 'work-other', 'work-web']);
  await succeeded(rig, ['down']);
});

test('a finished command is not repeated when a dependent is replaced', async () => {
  const job = 'ssh-command = "true"';
  const after = 'depends-on = [{ vm = "job", until = "done" }]';
  await using rig = project({ job, web: after });
  await succeeded(rig, ['up', '-d']);
  writeProject(rig, { job, web: `${after}\nmemory = "300M"` });
  await succeeded(rig, ['up', '-d']);
  expect(rig.entries('start').map(({ name }) => name)).toEqual(['work-job', 'work-web', 'work-web']);
  await succeeded(rig, ['down']);
});

test('what was not started because of another is started once that is mended', async () => {
  await using rig = project({
    db: 'ready-command = "test -e mended"\nready-timeout = 1',
    web: 'depends-on = ["db"]',
    other: '',
  });
  const mended = join(rig.root, 'mended');
  const db = `ready-command = "test -e ${mended}"\nready-timeout = 1`;
  writeProject(rig, { db, web: 'depends-on = ["db"]', other: '' });
  expect((await rig.run(['up', '-d'])).exitCode).toBe(1);
  expect(await names(rig)).toEqual(['work-other']);
  writeFileSync(mended, '');
  await succeeded(rig, ['up', '-d']);
  expect(await names(rig)).toEqual(['work-db', 'work-other', 'work-web']);
  await succeeded(rig, ['down']);
});

test('two commands at the same time make one project', async () => {
  await using rig = project({ db: '', web: '' });
  const both = await Promise.all([rig.run(['up', '-d']), rig.run(['up', '-d'])]);
  // the later one is refused, or finds nothing to do
  expect(both.map(({ exitCode }) => exitCode)).toContain(0);
  expect(rig.entries('start')).toHaveLength(2);
  expect(await names(rig)).toEqual(['work-db', 'work-web']);
  await succeeded(rig, ['down']);
  expect(rig.leftovers()).toEqual([]);
});

test('down while a project comes up breaks that off', async () => {
  await using rig = project(
    { slow: '', web: 'depends-on = ["slow"]' },
    { byName: { 'work-slow': { noSsh: true } } },
  );
  const up = rig.start(['up', '-d']);
  await rig.happened('start', 'work-slow');
  await succeeded(rig, ['down']);
  expect((await up.ended).exitCode).not.toBe(0);
  await until('the end of the project', () => rig.processes.length === 0);
  expect(rig.leftovers()).toEqual([]);
});

test('a VM is known by its short name in its project', async () => {
  await using rig = project({ db: '', web: '' });
  await succeeded(rig, ['up', '-d']);
  expect(await succeeded(rig, ['ssh', 'web', '--cmd', 'echo inside'])).toBe('inside\n');
  await succeeded(rig, ['stop', 'web']);
  expect(await names(rig)).toEqual(['work-db']);
  await succeeded(rig, ['up']);
  expect(await names(rig)).toEqual(['work-db', 'work-web']);
  expect((await rig.run(['down', 'wbe'])).stderr.text).toContain('did you mean "web"?');
  await succeeded(rig, ['down', 'db']);
  expect(await names(rig)).toEqual(['work-web']);
  await succeeded(rig, ['down']);
  expect((await rig.run(['down'])).stderr.text).toBe('No VM of this project is running detached\n');
});

test('down of one VM ends those that depend on it, too', async () => {
  await using rig = project({ db: '', web: 'depends-on = ["db"]', other: '' });
  await succeeded(rig, ['up', '-d']);
  await succeeded(rig, ['down', 'db']);
  expect(await names(rig)).toEqual(['work-other']);
  await succeeded(rig, ['down']);
});

test('commands run, and their output is in the log of the project', async () => {
  await using rig = project({ db: '', job: 'depends-on = ["db"]\nssh-command = "echo from the job"' });
  await succeeded(rig, ['up', '-d']);
  const log = rig.start(['logs', '--follow']);
  await log.waitFor(/^job \| from the job$[\s\S]*job: Shut down: done/m, 'stdout');
  expect(await names(rig)).toEqual(['work-db']);
  await succeeded(rig, ['down']);
  expect((await log.ended).exitCode).toBe(0);
});

test('one that fails is reported, and the others stay', async () => {
  const bad = { exitAtOnce: { code: 1, stderr: 'qemu: bad option' } };
  await using rig = project({ db: '', web: '' }, { byName: { 'work-web': bad } });
  const { exitCode, stderr } = await rig.run(['up', '-d']);
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain('web: error: qemu-system-x86_64 ended with exit code 1');
  expect(await names(rig)).toEqual(['work-db']);
  await succeeded(rig, ['down']);
});

test('when its supervisor is killed nothing of a project is left, and it comes up again', async () => {
  await using rig = project({ db: '', web: '' });
  await succeeded(rig, ['up', '-d']);
  const [{ owner = 0 } = {}] = JSON.parse(await succeeded(rig, ['ps', '--json'])) as { owner?: number }[];
  process.kill(owner, 'SIGKILL');
  await until('the end of the VMs', () => rig.processes.length === 0);
  expect(await names(rig)).toEqual([]);
  await succeeded(rig, ['up', '-d']);
  expect(await names(rig)).toEqual(['work-db', 'work-web']);
  await succeeded(rig, ['down']);
  expect(runDirectories(rig)).toEqual([]);
});

test('a terminal that closes is nothing to a project, and SIGTERM ends it in order', async () => {
  await using rig = project({ db: '' });
  await succeeded(rig, ['up', '-d']);
  const [{ owner = 0 } = {}] = JSON.parse(await succeeded(rig, ['ps', '--json'])) as { owner?: number }[];
  process.kill(owner, 'SIGHUP');
  expect(await succeeded(rig, ['ssh', 'db', '--cmd', 'echo there'])).toBe('there\n');
  process.kill(owner, 'SIGTERM');
  await until('the end of the project', () => rig.processes.length === 0);
  expect(rig.leftovers()).toEqual([]);
});

test('^C while it comes up takes back what it has begun', async () => {
  await using rig = project({ db: '', slow: '' }, { byName: { 'work-slow': { noSsh: true } } });
  const up = rig.start(['up', '-d']);
  await rig.happened('banner', 'work-db');
  await rig.happened('start', 'work-slow');
  up.signal('SIGINT');
  expect((await up.ended).exitCode).toBe(130);
  await until('the end of the project', () => rig.processes.length === 0);
  expect(rig.leftovers()).toEqual([]);
});

test('only this user can give orders', async () => {
  await using rig = project({ db: '' });
  await succeeded(rig, ['up', '-d']);
  const [directory = ''] = runDirectories(rig);
  expect(statSync(join(directory, 'control')).isSocket()).toBe(true);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  await succeeded(rig, ['down']);
});

/** A project named "work" of VMs by their further keys. */
async function names(rig: Rig): Promise<string[]> {
  const rows = JSON.parse(await succeeded(rig, ['ps', '--json'])) as { name: string }[];
  return rows.map(({ name }) => name).toSorted();
}
