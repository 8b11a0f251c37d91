import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Entry } from '../fakes/qemu/faults.ts';
import { project } from '../rig/project.ts';
import { Rig } from '../rig/rig.ts';

describe('several VMs with commands', () => {
  test('each runs its own, and the output of all is ours', async () => {
    await using rig = project({
      a: 'ssh-command = "echo from a"',
      b: 'ssh-command = "echo from b; echo err from b >&2"',
    });
    const { exitCode, stdout, stderr } = await rig.run(['up']);
    expect(exitCode).toBe(0);
    expect(stdout.text.split('\n').filter(Boolean).sort()).toEqual(['a | from a', 'b | from b']);
    expect(stderr.text).toMatch(/^b \| err from b$/m);
  });

  test('the exit code is that of the one that was not content', async () => {
    await using rig = project({ a: 'ssh-command = "true"', b: 'ssh-command = "exit 4"' });
    expect((await rig.run(['up'])).exitCode).toBe(4);
  });

  test('a command that fails leaves the others alone where that is asked for', async () => {
    await using rig = project({
      a: 'ssh-command = "exit 4"',
      b: 'depends-on = ["a"]\nssh-command = "echo from b"',
    });
    const { exitCode, stdout } = await rig.run(['up', '--keep-going']);
    expect(exitCode).toBe(4);
    expect(stdout.text).toBe('b | from b\n');
  });

  test('they have no stdin to quarrel about', async () => {
    await using rig = project({ a: 'ssh-command = "cat"', b: 'ssh-command = "cat"' });
    const { exitCode, stdout } = await rig.run(['up'], { stdin: 'for whom?' });
    expect(exitCode).toBe(0);
    expect(stdout.text).toBe('');
  });

  test('one that does not start ends all of them, and only it is reported', async () => {
    const bad = { exitAtOnce: { code: 1, stderr: 'qemu: bad option' } };
    await using rig = project(
      {
        a: 'ssh-command = "sleep 1000"',
        b: 'ssh-command = "true"',
        c: 'depends-on = ["b"]\nssh-command = "true"',
      },
      { byName: { 'work-b': bad } },
    );
    const { exitCode, stderr } = await rig.run(['up']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain('b: error: qemu-system-x86_64 ended with exit code 1');
    expect(stderr.text.match(/error:/g)).toHaveLength(1);
    expect(rig.entries('start').map(({ name }) => name)).not.toContain('work-c');
  });

  test('only those that are named run, with what they depend on', async () => {
    await using rig = project({
      a: 'ssh-command = "echo a"',
      b: 'depends-on = ["a"]\nssh-command = "echo b"',
      c: 'ssh-command = "echo c"',
    });
    const { stdout } = await rig.run(['up', 'b']);
    expect(stdout.text).toBe('a | a\nb | b\n');
  });
});

test('each VM may have a backend of its own', async () => {
  await using rig = new Rig();
  rig.write({
    'Transientfile.toml': `
      [images.disk]
      source = "file=./disk.qcow2"
      [vms.a]
      image = "disk"
      ssh-command = "true"
      [vms.b]
      image = "disk"
      ssh-command = "true"
      image-backend = "./own"
    `,
  });
  rig.image('disk.qcow2');
  const { exitCode } = await rig.run(['up'], {
    env: { TRANSIENT_BACKEND: undefined, XDG_DATA_HOME: rig.home },
  });
  expect(exitCode).toBe(0);
  expect(existsSync(join(rig.home, 'transient/backend/disk'))).toBe(true);
  expect(existsSync(join(rig.work, 'own/disk'))).toBe(true);
});

describe('services', () => {
  const ORDERLY = 'shutdown-timeout = 10';

  test('one is ready before what depends on it boots, and stops after it', async () => {
    await using rig = project({
      web: `depends-on = ["db"]\nssh-command = "true"\n${ORDERLY}`,
      db: ORDERLY,
    });
    expect((await rig.run(['up'])).exitCode).toBe(0);
    const happened = rig.entries().map(({ name, moment }) => `${name} ${moment}`);
    expect(inOrder(happened, ['work-db login', 'work-web start', 'work-web end', 'work-db powerdown'])).toBe(
      true,
    );
  });

  test('one lives as long as any command, also of those that do not depend on it', async () => {
    await using rig = project({ db: ORDERLY, job: 'ssh-command = "true"' });
    expect((await rig.run(['up'])).exitCode).toBe(0);
    const happened = rig.entries();
    expect(indexOf(happened, 'work-job', 'command')).toBeLessThan(indexOf(happened, 'work-db', 'powerdown'));
  });

  test('with nothing else to do they run until they are interrupted', async () => {
    await using rig = project({ a: ORDERLY, b: ORDERLY });
    const program = rig.start(['up']);
    await program.waitFor(/^a: Wait for ssh: done/m);
    await program.waitFor(/^b: Wait for ssh: done/m);
    program.signal('SIGINT');
    expect((await program.ended).exitCode).toBe(130);
    expect(rig.entries('powerdown')).toHaveLength(2);
  });

  test('or until all of them have ended by themselves', async () => {
    await using rig = project({ a: '', b: '' });
    const program = rig.start(['up']);
    await program.waitFor(/^a: Wait for ssh: done/m);
    await program.waitFor(/^b: Wait for ssh: done/m);
    for (const { pid } of rig.entries('start')) process.kill(pid, 'SIGTERM');
    expect((await program.ended).exitCode).toBe(0);
  });
});

function inOrder(all: readonly string[], wanted: readonly string[]): boolean {
  const places = wanted.map((one) => all.indexOf(one));
  return places.every((place, index) => place > (places[index - 1] ?? -1));
}

function indexOf(entries: readonly Entry[], name: string, moment: Entry['moment']): number {
  return entries.findIndex((entry) => entry.name === name && entry.moment === moment);
}
