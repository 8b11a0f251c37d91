import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { parse } from 'smol-toml';
import { describe, expect, inject, test } from 'vitest';
import { Rig } from '../rig/rig.ts';
import { Terminal } from '../rig/terminal.ts';
import { succeeded } from '../rig/vms.ts';

const FILE = 'Transientfile.toml';

test('without a terminal the sensible answers are taken, and what is written can be planned and run', async () => {
  await using rig = new Rig();
  rig.image('disk.qcow2');
  await succeeded(rig, ['init']);
  expect(documentOf(rig)).toEqual({
    project: { name: 'work' },
    images: { base: { source: 'file=./disk.qcow2' } },
    vms: { main: { image: 'base', memory: '1G', 'ssh-command': 'uname -a' } },
  });
  expect(await succeeded(rig, ['plan'])).toMatch(/^Plan: 1 VM/);
  const { exitCode } = await rig.run(['up', '--accel', 'tcg']);
  expect(exitCode).toBe(0);
});

test('the first line names a schema that is there, and that the file follows', async () => {
  await using rig = new Rig();
  await succeeded(rig, ['init']);
  const [, path = ''] = /^#:schema (\S+)\n/.exec(textOf(rig)) ?? [];
  const schema = readFileSync(join(rig.work, path), 'utf8');
  expect(schema).toBe(readFileSync('schemas/transientfile.schema.json', 'utf8'));
  const validate = new Ajv({ strict: false }).compile(JSON.parse(schema) as object);
  expect(validate(documentOf(rig)), JSON.stringify(validate.errors)).toBe(true);
});

test.for([
  ['base', 'base', undefined],
  ['user/box:1.0', 'user/box:1.0', undefined],
  ['b,http=https://example.org/b.qcow2.xz', 'b', 'http=https://example.org/b.qcow2.xz'],
  ['my "image"\\,file=./a b.qcow2', 'my "image"\\', 'file=./a b.qcow2'],
] as const)('the image %s is given as a file gives it', async ([spec, image, source]) => {
  await using rig = new Rig();
  const command = `printf '%s\\n' "it's"`;
  await succeeded(rig, ['init', '--image', spec, '--memory', '512M', '--command', command, '--name', 'shop']);
  expect(documentOf(rig)).toEqual({
    project: { name: 'shop' },
    ...(source === undefined ? {} : { images: { [image]: { source } } }),
    vms: { main: { image, memory: '512M', 'ssh-command': command } },
  });
  expect(await succeeded(rig, ['plan'])).toContain('main');
});

test('a directory of any name gives a project a name', async () => {
  await using rig = new Rig();
  mkdirSync(join(rig.work, '-Über uns!'));
  const { exitCode } = await rig.run(['init'], { cwd: '-Über uns!' });
  expect(exitCode).toBe(0);
  expect((await rig.run(['plan'], { cwd: '-Über uns!' })).exitCode).toBe(0);
});

describe('nothing is written', () => {
  test('over a file that is there', async () => {
    await using rig = new Rig();
    rig.write({ [FILE]: 'mine' });
    const { exitCode, stderr } = await rig.run(['init', '--yes']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain(`${join(rig.work, FILE)} already exists`);
    expect(textOf(rig)).toBe('mine');
  });

  test.for([
    ['--memory', 'lots', '--memory must be an amount of memory such as "512M" or "2G"'],
    ['--image', 'x,ftp=y', '--image after the name "x,"'],
    ['--image', '', '--image'],
    ['--name', 'a b', '--name must begin and end with a letter or digit'],
    ['--command', '', '--command must not be empty'],
  ] as const)('for %s %j', async ([flag, value, message]) => {
    await using rig = new Rig();
    const { exitCode, stderr } = await rig.run(['init', flag, value]);
    expect(exitCode).toBe(2);
    expect(stderr.text).toContain(message);
    expect(existsSync(join(rig.work, FILE))).toBe(false);
  });

  test('where it cannot be', async () => {
    await using rig = new Rig();
    const command = ['sh', '-c', `cd /proc && ${process.execPath} ${inject('binary')} init`];
    const { exitCode, stderr } = await rig.command(command);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain('cannot write /proc/Transientfile.toml');
  });
});

describe('on a terminal', () => {
  test('what was not given is asked for, with an answer that Enter takes', async () => {
    await using rig = new Rig();
    await using terminal = new Terminal('init', rig.environment, rig.work);
    terminal.line(`${process.execPath} ${inject('binary')} init --memory 2G; echo "code $?"`);
    await terminal.waitFor(/Name of the project \[work\]:/);
    terminal.line('shop');
    await terminal.waitFor(/Image .*\[debian:13\]:/);
    terminal.keys('Enter');
    await terminal.waitFor(/Command to run in it \[uname -a\]:/);
    terminal.line('make check');
    await terminal.waitFor(/^code 0/m);
    expect(documentOf(rig)).toEqual({
      project: { name: 'shop' },
      vms: { main: { image: 'debian:13', memory: '2G', 'ssh-command': 'make check' } },
    });
    terminal.line(`rm ${FILE}; clear; ${process.execPath} ${inject('binary')} init -y; echo "again $?"`);
    await terminal.waitFor(/^again 0/m);
    expect(existsSync(join(rig.work, FILE))).toBe(true);
  });

  test.for([
    ['C-c', 130],
    ['C-d', 1],
  ] as const)('%s writes nothing', async ([key, code]) => {
    await using rig = new Rig();
    await using terminal = new Terminal(`init-${key}`, rig.environment, rig.work);
    terminal.line(`${process.execPath} ${inject('binary')} init; echo "code $?"`);
    await terminal.waitFor(/Name of the project/);
    terminal.keys(key);
    await terminal.waitFor(new RegExp(`^code ${code}`, 'm'));
    expect(existsSync(join(rig.work, FILE))).toBe(false);
  });
});

function textOf(rig: Rig): string {
  return readFileSync(join(rig.work, FILE), 'utf8');
}

function documentOf(rig: Rig): unknown {
  return parse(textOf(rig));
}
