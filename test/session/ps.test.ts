import { mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { processesWith } from '../rig/processes.ts';
import { Program } from '../rig/program.ts';
import { Rig } from '../rig/rig.ts';
import { until } from '../rig/until.ts';
import { TCG, created, running, succeeded, vmFile } from '../rig/vms.ts';

/** One VM as `ps --json` tells of it. */
interface Row {
  readonly name: string;
  readonly images: readonly string[];
  readonly status: string;
  readonly stored: boolean;
  readonly started?: string;
  readonly created?: string;
  readonly pid?: number;
  readonly owner?: number;
  readonly ssh?: { readonly port: number; readonly user: string };
}

describe('without VMs', () => {
  test.for([[], ['-a'], ['--ssh', '--pid']])('ps %o has only its heads', async (flags) => {
    await using rig = new Rig();
    const lines = (await succeeded(rig, ['ps', ...flags])).split('\n');
    expect(lines[0]).toMatch(/^NAME +IMAGE +STATUS +AGE/);
    expect(lines.slice(1)).toEqual(['']);
  });

  test('as JSON it is an empty list', async () => {
    await using rig = new Rig();
    expect(await rowsOf(rig, '-a')).toEqual([]);
  });
});

describe('what runs', () => {
  test('is listed, and what does not is not', async () => {
    await using rig = new Rig();
    await created(rig, 'off');
    await created(rig, 'on');
    const owner = await running(rig, ['start', 'on']);
    const { pid } = await rig.happened('start');
    expect(await rowsOf(rig)).toEqual([
      {
        name: 'on',
        images: ['test'],
        status: 'running',
        stored: true,
        started: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
        pid,
        owner: owner.pid,
        ssh: { port: expect.any(Number) as number, user: 'vagrant' },
        forwards: [],
      },
    ]);
    owner.signal('SIGTERM');
    await owner.ended;
    expect(await rowsOf(rig)).toEqual([]);
  });

  test('is listed for people', async () => {
    await using rig = new Rig();
    rig.stored('data');
    await created(rig, 'my-vm', '--extra-image', 'data');
    const owner = await running(rig, ['start', 'my-vm', '--ssh-user', 'root']);
    const [row] = await rowsOf(rig);
    const since = row?.started?.replace('T', ' ').slice(0, 19) ?? '';
    const shown = await succeeded(rig, ['ps', '--ssh', '--pid']);
    expect(shown).toMatch(/^NAME +IMAGE +STATUS +AGE +SSH +PID$/m);
    expect(cellsOf(shown)).toEqual([
      [
        'my-vm',
        'test + data',
        `Started ${since} UTC`,
        expect.stringMatching(/^\d+ s$/),
        `root@127.0.0.1:${row?.ssh?.port ?? 'none'}`,
        String(row?.pid),
      ],
    ]);
    expect(cellsOf(await succeeded(rig, ['ps']))[0]).toHaveLength(4);
    await rig.run(['stop', 'my-vm']);
    await owner.ended;
  });

  test('without an ssh card has no address', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owner = rig.start(['start', 'x', ...TCG]);
    await owner.waitFor(/Welcome to the fake guest!/, 'stdout');
    await until('the VM', () => recordsOf(rig).length > 0);
    expect((await rowsOf(rig))[0]).not.toHaveProperty('ssh');
    expect(cellsOf(await succeeded(rig, ['ps', '--ssh']))[0]?.at(-1)).toBe('no');
    owner.write('\x01x');
    await owner.ended;
  });

  test('without a name is called after its image and its process', async () => {
    await using rig = new Rig();
    const owner = await running(rig, ['run', rig.stored('user/box')]);
    expect(await rowsOf(rig)).toMatchObject([
      { name: `user/box-${owner.pid}`, images: ['user/box'], stored: false },
    ]);
    owner.signal('SIGINT');
    await owner.ended;
  });

  test('of a Transientfile is called after the project', async () => {
    await using rig = new Rig();
    rig.stored();
    const lines = 'image = "test"\nssh-command = "echo up; sleep 1000"\n';
    rig.write({ 'Transientfile.toml': `[vms.b]\n${lines}persistent = true\n[vms.a]\n${lines}` });
    const owner = rig.start(['up']);
    await owner.waitFor(/\| up\n(.*\n)*.*\| up\n/, 'stdout');
    expect((await rowsOf(rig)).map(({ name, stored }) => [name, stored])).toEqual([
      ['work-a', false],
      ['work-b', true],
    ]);
    owner.signal('SIGINT');
    await owner.ended;
  });

  test('of another store is not listed', async () => {
    await using rig = new Rig();
    const other = join(rig.work, 'other');
    rig.stored();
    await succeeded(rig, ['create', 'test', '--name', 'x', '--vmstore', other]);
    const owners = [
      await running(rig, ['start', 'x', '--vmstore', other]),
      await running(rig, ['run', 'test', '--vmstore', other]),
    ];
    expect(await rowsOf(rig, '-a')).toEqual([]);
    const rows = await rowsOf(rig, '--vmstore', other);
    expect(rows.map(({ owner }) => owner).sort()).toEqual(owners.map(({ pid }) => pid).sort());
    symlinkSync(other, join(rig.work, 'link'));
    expect(await rowsOf(rig, '--vmstore', 'link')).toEqual(rows);
    for (const owner of owners) owner.signal('SIGINT');
    await Promise.all(owners.map(({ ended }) => ended));
  });

  test('is found also by a session without a runtime directory of its own', async () => {
    await using rig = new Rig({ env: { XDG_RUNTIME_DIR: undefined } });
    const owner = await running(rig, ['run', rig.stored()]);
    const environment = { XDG_RUNTIME_DIR: rig.runtime };
    const { stdout } = await rig.run(['ps', '--json'], { env: environment });
    expect((JSON.parse(stdout.text) as Row[]).map((row) => row.owner)).toEqual([owner.pid]);
    owner.signal('SIGINT');
    await owner.ended;
  });
});

describe('with -a', () => {
  test('also what does not run is listed, all by name', async () => {
    await using rig = new Rig();
    for (const name of ['c', 'a', 'b-2', 'B']) await created(rig, name);
    const owner = await running(rig, ['start', 'b-2']);
    expect((await rowsOf(rig, '-a')).map(({ name, status }) => [name, status])).toEqual([
      ['B', 'offline'],
      ['a', 'offline'],
      ['b-2', 'running'],
      ['c', 'offline'],
    ]);
    expect(cellsOf(await succeeded(rig, ['ps', '--all', '--pid'])).map((cells) => cells.slice(0, 3))).toEqual(
      [
        ['B', 'test', 'Offline'],
        ['a', 'test', 'Offline'],
        ['b-2', 'test', expect.stringMatching(/^Started /)],
        ['c', 'test', 'Offline'],
      ],
    );
    owner.signal('SIGINT');
    await owner.ended;
  });

  test('what is not started shows when it was created, and nothing of a process', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    expect(await rowsOf(rig, '-a')).toEqual([
      {
        name: 'x',
        images: ['test'],
        status: 'offline',
        stored: true,
        created: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
        forwards: [],
      },
    ]);
  });

  test('a directory that is no whole VM is reported to be broken', async () => {
    await using rig = new Rig();
    for (const name of ['no-config', 'no-disk', 'whole']) await created(rig, name);
    rmSync(vmFile(rig, 'no-config', 'config'));
    rmSync(vmFile(rig, 'no-disk', 'no%2Ddisk-0-test'));
    mkdirSync(join(rig.vmstore, 'empty'));
    expect((await rowsOf(rig, '-a')).map(({ name, status }) => [name, status])).toEqual([
      ['empty', 'broken'],
      ['no-config', 'broken'],
      ['no-disk', 'broken'],
      ['whole', 'offline'],
    ]);
    expect(await succeeded(rig, ['ps', '-a'])).toMatch(/^empty +- +Broken \(transient rm removes it\) +-$/m);
  });

  test('what lies in the store and is no VM is passed over', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    writeFileSync(join(rig.vmstore, 'README'), 'not a VM');
    mkdirSync(join(rig.vmstore, '.hidden'));
    mkdirSync(join(rig.vmstore, '100%'));
    writeFileSync(vmFile(rig, 'x', 'x-0-test.bak'), '');
    writeFileSync(vmFile(rig, 'x', 'y-0-test'), '');
    expect((await rowsOf(rig, '-a')).map(({ name }) => name)).toEqual(['x']);
  });

  test('a VM that someone has locked is in use', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const command = ['flock', '-x', vmFile(rig, 'x', 'config'), '-c', 'echo locked; cat'];
    const lock = new Program(command, { cwd: rig.work, env: rig.environment });
    await lock.waitFor(/locked/, 'stdout');
    expect((await rowsOf(rig, '-a')).map(({ status }) => status)).toEqual(['in-use']);
    expect(await succeeded(rig, ['ps', '-a'])).toMatch(/^x +test +In use +-$/m);
    expect(await rowsOf(rig)).toEqual([]);
    const { exitCode, stderr } = await rig.run(['start', 'x']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain("VM 'x' is in use by another process");
    lock.write();
    await lock.ended;
    expect((await rowsOf(rig, '-a')).map(({ status }) => status)).toEqual(['offline']);
  });

  test('a stateless VM of the same name is another line', async () => {
    await using rig = new Rig();
    await created(rig, 'work-a');
    rig.write({
      'Transientfile.toml': '[vms.a]\nimage = "test"\nssh-command = "echo up; sleep 1000"\n',
    });
    const owner = rig.start(['up']);
    await owner.waitFor(/^up$/m, 'stdout');
    expect((await rowsOf(rig, '-a')).map(({ name, stored }) => [name, stored])).toEqual([
      ['work-a', false],
      ['work-a', true],
    ]);
    owner.signal('SIGINT');
    await owner.ended;
  });

  test('a store that cannot be read is reported', async () => {
    await using rig = new Rig();
    writeFileSync(rig.vmstore, 'not a directory');
    const { exitCode, stdout, stderr } = await rig.run(['ps', '-a']);
    expect(exitCode).toBe(1);
    expect(stdout.text).toBe('');
    expect(stderr.text).toContain(`cannot read the VM store ${rig.vmstore}`);
  });
});

describe('what runs no more', () => {
  test('because its owner was killed', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    expect(await rowsOf(rig)).toHaveLength(1);
    owner.signal('SIGKILL');
    await owner.ended;
    expect(recordsOf(rig)).toHaveLength(1);
    expect(await rowsOf(rig)).toEqual([]);
    await until('the end of QEMU', () => processesWith('TRANSIENT_RIG', rig.root).length === 0);
    expect((await rowsOf(rig, '-a')).map(({ status }) => status)).toEqual(['offline']);
    await sweep(rig);
  });

  test('because its QEMU was killed, of which its owner has not yet heard', async () => {
    await using rig = new Rig();
    const owner = await running(rig, ['run', rig.stored()]);
    const { pid } = await rig.happened('start');
    owner.signal('SIGSTOP');
    process.kill(pid, 'SIGKILL');
    await until('the end of QEMU', () => stateOf(pid) === 'Z');
    expect(recordsOf(rig)).toHaveLength(1);
    expect(await rowsOf(rig)).toEqual([]);
    owner.signal('SIGCONT');
    await owner.ended;
  });

  test.for([
    ['of another start of the owner', (facts: Facts) => ({ owner: { ...facts.owner, started: 1 } })],
    ['of another start of QEMU', (facts: Facts) => ({ qemu: { ...facts.qemu, started: 1 } })],
    ['of another boot', (facts: Facts) => ({ owner: { ...facts.owner, boot: 'another' } })],
    ['of another container', (facts: Facts) => ({ qemu: { ...facts.qemu, space: 'pid:[1]' } })],
    ['of a process that is gone', (facts: Facts) => ({ owner: { ...facts.owner, pid: 2 ** 22 + 1 } })],
    ['that is not whole', () => ({ name: undefined })],
  ] as const)('a record %s is not believed', async ([, change]) => {
    await using rig = new Rig();
    const owner = await running(rig, ['run', rig.stored()]);
    const [record = ''] = recordsOf(rig);
    const facts = JSON.parse(readFileSync(record, 'utf8')) as Facts;
    const run = join(rig.runtime, 'transient/run-1-abcdef/1');
    mkdirSync(run, { recursive: true });
    const written = join(run, 'vm.json');
    writeFileSync(written, JSON.stringify({ ...facts, name: 'copy' }));
    expect((await rowsOf(rig)).map(({ name }) => name)).toEqual(['copy', `test-${owner.pid}`]);
    writeFileSync(written, JSON.stringify({ ...facts, name: 'copy', ...change(facts) }));
    expect((await rowsOf(rig)).map(({ name }) => name)).toEqual([`test-${owner.pid}`]);
    writeFileSync(written, '{"name": "cop');
    expect((await rowsOf(rig)).map(({ name }) => name)).toEqual([`test-${owner.pid}`]);
    owner.signal('SIGINT');
    await owner.ended;
    await sweep(rig);
  });
});

/** A record of a running VM, as far as tests spoil it. */
interface Facts {
  readonly name: string;
  readonly owner: { readonly pid: number; readonly started: number; readonly boot: string };
  readonly qemu: { readonly pid: number; readonly started: number; readonly space: string };
}

async function rowsOf(rig: Rig, ...flags: readonly string[]): Promise<Row[]> {
  return JSON.parse(await succeeded(rig, ['ps', '--json', ...flags])) as Row[];
}

/** The cells of a table below its heads. */
function cellsOf(table: string): string[][] {
  const lines = table.trimEnd().split('\n').slice(1);
  return lines.map((line) => line.split(/ {2,}/));
}

/** The files by which machines are known to other processes. */
function recordsOf(rig: Rig): string[] {
  const base = join(rig.runtime, 'transient');
  const files = readdirSync(base, { recursive: true, encoding: 'utf8' });
  return files.filter((file) => /\/\d+\/vm\.json$/.test(file)).map((file) => join(base, file));
}

function stateOf(pid: number): string {
  return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? '';
}

/** Opening a run directory removes those of dead processes. */
async function sweep(rig: Rig): Promise<void> {
  await rig.run(['rm', 'not-there']);
}
