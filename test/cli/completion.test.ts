import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stagesOf } from '../../src/cli/completion/model.ts';
import { COMMANDS } from '../../src/cli/program.ts';
import { completing, inBash, inFish } from '../rig/completion.ts';
import { Rig } from '../rig/rig.ts';
import { Terminal } from '../rig/terminal.ts';
import { created, end, running, succeeded } from '../rig/vms.ts';

const PROJECT = '[vms.web]\nimage = "test"\n[vms.db]\nimage = "test"\n';
const HOSTILE = 'x $(touch pwned) `touch pwned` ; touch pwned';

describe('names', () => {
  test('of the VMs of a Transientfile, also of one with faults and from a directory below', async () => {
    await using rig = new Rig();
    rig.write({ 'Transientfile.toml': `${PROJECT}bogus = true\n`, 'below/file': '' });
    expect(await succeeded(rig, ['__complete', 'project'])).toBe('db\nweb\n');
    const { stdout } = await rig.run(['__complete', 'project'], { cwd: 'below' });
    expect(stdout.text).toBe('db\nweb\n');
  });

  test('of what runs, in its project also the short ones', async () => {
    await using rig = new Rig();
    rig.stored();
    rig.write({ 'Transientfile.toml': '[vms.a]\nimage = "test"\nssh-command = "echo up; sleep 1000"\n' });
    await created(rig, 'off');
    const owner = await running(rig, ['run', 'test']);
    const project = rig.start(['up', '--accel', 'tcg']);
    await project.waitFor(/^up$/m, 'stdout');
    const instance = `test-${owner.pid}`;
    expect(await succeeded(rig, ['__complete', 'running'])).toBe(`a\n${instance}\nwork-a\n`);
    expect(await succeeded(rig, ['__complete', 'stored'])).toBe('off\n');
    expect(await inBash(rig, 'transient ssh ')).toEqual(['a', instance, 'work-a']);
    await Promise.all([end(owner), end(project)]);
    expect(await succeeded(rig, ['__complete', 'running'])).toBe('');
  });

  test('of images and of stored VMs, but none of two lines', async () => {
    await using rig = new Rig();
    for (const name of ['user/box:1', 'base', 'two\nlines']) rig.stored(name);
    await created(rig, 'my-vm');
    expect(await succeeded(rig, ['__complete', 'images'])).toBe('base\ntest\nuser/box:1\n');
    expect(await succeeded(rig, ['__complete', 'stored'])).toBe('my-vm\n');
  });

  test.for(['project', 'running', 'stored', 'images', 'bogus', ''])(
    'of "%s" are none, without a word, where all is broken',
    async (kind) => {
      await using rig = new Rig();
      rig.write({ 'Transientfile.toml': '[vms' });
      writeFileSync(rig.vmstore, '');
      const env = { TRANSIENT_BACKEND: '/dev/null' };
      const { exitCode, stdout, stderr } = await rig.run(['__complete', kind], { env });
      expect([exitCode, stdout.text, stderr.text]).toEqual([0, '', '']);
    },
  );
});

describe('the model', () => {
  test('knows what each operand is but where no one can', () => {
    const unknown = stagesOf(COMMANDS).flatMap(({ path, operands }) =>
      operands.filter(({ of }) => of === undefined).map(({ name }) => `${path} ${name}`),
    );
    expect(unknown).toEqual(['commit image', 'image search word']);
  });
});

/** Completions common to bash and fish. */
const ALIKE = [
  ['transient image rm ', ['base', 'test', 'user/box:1']],
  ['transient run te', ['test']],
  ['transient run base ', []],
  ['transient run --accel ', ['auto', 'kvm', 'tcg']],
  ['transient run --memo', ['--memory']],
  ['transient run --config ', ['Transientfile.toml']],
  ['transient image rm base t', ['test']],
  ['transient start m', ['my-vm']],
  ['transient commit my-vm ', []],
] as const;

test.for([
  ...ALIKE,
  ['transient d', ['down', 'doctor']],
  ['transient image ', ['search', 'pull', 'update', 'ls', 'rm', 'prune']],
  ['transient run debian:s', ['sid', 'sid-generic']],
  ['transient --vmstore x image r', ['rm']],
  ['transient up ', ['db', 'web']],
  ['transient up web d', ['db']],
  ['transient up --jobs ', []],
  ['transient up --jobs 3 w', ['web']],
  ['transient up -m 1G -- ', []],
  ['transient run user/box:', ['1']],
  ['transient run --accel=k', ['kvm']],
  ['transient run --config=Tr', ['Transientfile.toml']],
  ['transient completion ', ['bash', 'zsh', 'fish']],
  ['transient bogus ', []],
  [
    'transient ps -',
    [
      '--image-backend',
      '--vmstore',
      '-v',
      '--verbose',
      '-a',
      '--all',
      '--ssh',
      '--pid',
      '--json',
      '-h',
      '--help',
    ],
  ],
] as const)('bash completes %j', async ([line, expected]) => {
  await using rig = new Rig();
  await furnished(rig);
  expect(await inBash(rig, line)).toEqual(expected);
});

test.for([
  ...ALIKE,
  ['transient d', ['doctor', 'down']],
  ['transient image ', ['ls', 'prune', 'pull', 'rm', 'search', 'update']],
  ['transient --vmstore x image r', ['rm']],
  ['transient up ', ['db', 'web']],
  ['transient up web d', ['db']],
  ['transient up --jobs ', []],
  ['transient up --jobs 3 w', ['web']],
  ['transient run --accel=k', ['--accel=kvm']],
  ['transient completion ', ['bash', 'fish', 'zsh']],
  ['transient ps --s', ['--ssh']],
] as const)('fish completes %j', async ([line, expected]) => {
  await using rig = new Rig();
  await furnished(rig);
  expect([...(await inFish(rig, line)).keys()].sort()).toEqual(expected);
});

test('fish has the help of commands and flags', async () => {
  await using rig = new Rig();
  expect((await inFish(rig, 'transient do')).get('down')).toMatch(
    /^stop the detached VMs of the Transientfile/,
  );
  expect((await inFish(rig, 'transient run --mem')).get('--memory')).toMatch(/^memory of the VM/);
});

test('zsh completes commands with their help, names, flags and values', { timeout: 90_000 }, async () => {
  await using rig = new Rig();
  await furnished(rig);
  const { env, script } = completing(rig, 'zsh');
  await using terminal = new Terminal('zsh', env, rig.work);
  terminal.line('exec zsh -f');
  terminal.line(`autoload -Uz compinit; compinit -u -D; source ${script}; PS1='zsh'%%; clear`);
  await terminal.waitFor(/^zsh%/m);
  const offers = async (line: string, pattern: RegExp): Promise<void> => {
    terminal.keys('-l', line);
    terminal.keys('Tab');
    await terminal.waitFor(pattern);
    terminal.keys('C-c');
    terminal.line('clear');
  };
  await offers('transient ', /^doctor +-- check whether/m);
  await offers('transient image ', /^ls +-- list the images/m);
  await offers('transient up w', /transient up web/);
  await offers('transient up --jobs 3 web d', /transient up --jobs 3 web db/);
  await offers('transient run user', /transient run user\/box:1/);
  await offers('transient image rm ba', /transient image rm base/);
  await offers('transient run --accel ', /^auto +kvm +tcg/m);
  await offers('transient run --accel=k', /transient run --accel=kvm/);
  await offers('transient run --ssh-t', /transient run --ssh-timeout/);
  await offers('transient run --ssh-', /^--ssh-timeout +-- how long to wait/m);
  await offers('transient commit my', /transient commit my-vm/);
  await offers('transient completion f', /transient completion fish/);
  await offers('transient run --config Tr', /transient run --config Transientfile\.toml/);
});

test('a name is never run', async () => {
  await using rig = new Rig();
  rig.stored(HOSTILE);
  const quoted = HOSTILE.replaceAll(/[ $()`;]/g, '\\$&');
  expect(await inBash(rig, 'transient run x')).toEqual([quoted]);
  expect([...(await inFish(rig, 'transient run x')).keys()]).toHaveLength(1);
  expect(existsSync(join(rig.work, 'pwned'))).toBe(false);
});

test('a shell that there is none of is refused', async () => {
  await using rig = new Rig();
  const { exitCode, stderr } = await rig.run(['completion', 'tcsh']);
  expect(exitCode).toBe(2);
  expect(stderr.text).toContain('SHELL must be one of bash, zsh, fish, got "tcsh"');
});

async function furnished(rig: Rig): Promise<void> {
  rig.write({ 'Transientfile.toml': PROJECT });
  for (const name of ['base', 'user/box:1']) rig.stored(name);
  await created(rig, 'my-vm');
}
