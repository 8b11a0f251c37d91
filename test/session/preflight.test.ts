import { chmodSync, existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { errorsIn } from '../rig/errors.ts';
import { pathWithout } from '../rig/path-without.ts';
import { Rig } from '../rig/rig.ts';

const MISSING = (path: string): string =>
  `copying in ${path}:/etc/: cannot copy ${path} from the host: No such file or directory`;

describe('sources of copies that are missing', () => {
  test.for<[string, string[]]>([
    ['run', ['run', 'test', '--cmd', 'true', '-b', 'one:/etc/', '-b', 'two:/etc/', '-b', 'here:/etc/']],
    [
      'run, over ssh',
      ['run', 'test', '--cmd', 'true', '--direct-copy', '-b', 'one:/etc/', '-b', 'two:/etc/'],
    ],
    ['cp', ['cp', 'one', 'two', 'vm:/etc/']],
  ])('are told by %s all at once, before anything boots', async ([, args]) => {
    await using rig = new Rig();
    rig.write({ here: '' });
    rig.stored();
    if (args[0] === 'cp') await rig.run(['create', 'test', '--name', 'vm']);
    const { exitCode, stderr } = await rig.run(args);
    expect(exitCode).toBe(1);
    const wanted = ['one', 'two'].map((name) => MISSING(join(rig.work, name)));
    expect(errorsIn(stderr.text)).toEqual(wanted.map((text): unknown => expect.stringContaining(text)));
    expect(rig.entries('start')).toEqual([]);
  });

  test.for<[string, string[]]>([
    ['up', ['up']],
    ['up --detach', ['up', '--detach']],
    ['up --watch', ['up', '--watch']],
  ])('%s', async ([, args]) => {
    await using rig = new Rig();
    rig.stored();
    rig.write({ 'Transientfile.toml': copying('./one') });
    const { exitCode, stderr } = await rig.run(args);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([expect.stringContaining(MISSING(join(rig.work, 'one')))]);
    expect(rig.entries('start')).toEqual([]);
  });

  test('what another VM of the plan brings is waited for', async () => {
    await using rig = new Rig();
    rig.stored();
    rig.write({
      'Transientfile.toml': `[vms.maker]
image = "test"
direct-copy = true
ssh-command = "echo made >${rig.root}/guest"
copy-out-after = ["${rig.root}/guest:./out/"]

[vms.user]
image = "test"
direct-copy = true
depends-on = [{ vm = "maker", until = "done" }]
copy-in-before = ["./out/guest:${rig.root}/brought"]
ssh-command = "cat ${rig.root}/brought"
`,
    });
    const { stderr } = await rig.run(['up']);
    expect(errorsIn(stderr.text).filter((error) => error.includes('No such file'))).toEqual([]);
  });

  test('are in a report', async () => {
    await using rig = new Rig();
    rig.stored();
    rig.write({ 'Transientfile.toml': copying('./one') });
    await rig.run(['up', '--report', 'json=r.json', '--report', 'junit=r.xml']);
    const report = JSON.parse(readFileSync(join(rig.work, 'r.json'), 'utf8')) as {
      state: string;
      exitCode: number;
      vms: { verdict: { kind: string } }[];
    };
    expect(report).toMatchObject({ state: 'ended', exitCode: 1, vms: [{ verdict: { kind: 'error' } }] });
    expect(readFileSync(join(rig.work, 'r.xml'), 'utf8')).toContain('No such file or directory');
  });
});

describe('programs that cannot be run', () => {
  test('a file that may not be executed is reported as that, and all others with it', async () => {
    await using rig = new Rig();
    rig.write({ 'bin/qemu-img': '#!/bin/sh\n', disk: '' });
    const path = join(rig.work, 'bin');
    chmodSync(join(path, 'qemu-img'), 0o644);
    const args = ['run', 'new,file=disk', '--cmd', 'true'];
    const { exitCode, stderr } = await rig.command(['env', `PATH=${path}`, ...rig.commandLine(args)]);
    expect(exitCode).toBe(1);
    expect(stderr.text).toMatch(/Could not run required program .*: Permission denied/);
    expect(stderr.text).toContain(`hint: make it executable: chmod +x ${path}/qemu-img`);
    const missing = [...stderr.text.matchAll(/Required program '(.*)' is not installed/g)];
    expect(missing.map(([, name]) => name).sort()).toEqual([
      'flock',
      'qemu-system-x86_64',
      'setpriv',
      'sh',
      'ssh',
    ]);
    expect(existsSync(join(rig.backend, '.working'))).toBe(false);
    expect(readdirSync(rig.runtime)).toEqual([]);
  });

  test('what no step of the plan runs is not asked for', async () => {
    await using rig = new Rig();
    rig.stored();
    const path = pathWithout(
      join(rig.root, 'bin'),
      rig.environment['PATH'] ?? '',
      'rsync',
      'tar',
      'virtiofsd',
    );
    const { exitCode } = await rig.run(['run', 'test', '--cmd', 'true'], { env: { PATH: path } });
    expect(exitCode).toBe(0);
  });
});

function copying(source: string): string {
  return `[vms.web]\nimage = "test"\nssh-command = "true"\ncopy-in-before = ["${source}:/etc/"]\n`;
}
