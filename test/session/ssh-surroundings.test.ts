import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';
import { TCG } from '../rig/vms.ts';

/** Common ssh settings for all hosts, each of which once broke our sessions. */
const CONFIGURATIONS = {
  'a terminal for every session': 'RequestTTY force',
  'a command for every session': 'RemoteCommand tmux attach',
  'no stdin': 'StdinNull yes',
  'a proxy': 'ProxyCommand false',
  'another way to log in': 'PreferredAuthentications password',
  'forwards, an agent and variables': 'ForwardAgent yes\n  RemoteForward 9999 127.0.0.1:22\n  SendEnv *',
  'a mistake': 'NoSuchOption yes',
};

describe('~/.ssh/config of the user', () => {
  test.each(Object.entries(CONFIGURATIONS))('%s is nothing to us', async (_name, lines) => {
    await using rig = new Rig();
    mkdirSync(join(rig.home, '.ssh'), { mode: 0o700 });
    writeFileSync(join(rig.home, '.ssh/config'), `Host *\n  ${lines}\n`);
    rig.write({ file: 'from the host\n' });
    const target = join(rig.root, 'guest');
    const copies = ['--direct-copy', '-b', `./file:${target}/`, '-a', `${target}/file:./out/`];
    const args = ['run', rig.stored(), ...TCG, ...copies, '--cmd', `cat ${target}/file`];
    const { exitCode, stdout } = await rig.run(args);
    expect([exitCode, stdout.text]).toEqual([0, 'from the host\n']);
    expect(readFileSync(join(rig.work, 'out/file'), 'utf8')).toBe('from the host\n');
  });
});

describe('options of the user that our own sessions depend on', () => {
  test.each(['ControlPath=none', 'ControlMaster=no', 'RequestTTY=force', 'controlpath /nowhere/socket'])(
    '%s is for the sessions of the user alone',
    async (option) => {
      await using rig = new Rig();
      rig.write({ file: 'x' });
      const copy = ['--direct-copy', '-b', `./file:${join(rig.root, 'guest')}/`];
      const args = ['run', rig.stored(), ...TCG, ...copy, '-o', option, '--cmd', 'echo in'];
      const { exitCode, stdout } = await rig.run(args);
      expect([exitCode, stdout.text.trim()]).toEqual([0, 'in']);
    },
  );
});

test('a command that begins with a dash is the command', async () => {
  await using rig = new Rig();
  const { exitCode } = await rig.run(['run', rig.stored(), ...TCG, '--cmd', '-x']);
  // it is for the shell of the guest to say what is wrong with it
  expect(exitCode).not.toBe(0);
  expect(rig.entries('command').map(({ command }) => command)).toEqual(['-x']);
});

test('bytes on the command line that are not UTF-8 are refused, not replaced', async () => {
  await using rig = new Rig();
  const line = rig.commandLine(['run', rig.stored(), ...TCG, '--cmd']).join(' ');
  const typed = async (bytes: string): ReturnType<Rig['command']> =>
    rig.command(['sh', '-c', `exec ${line} "echo $(printf '${bytes}')"`]);
  const bad = await typed(String.raw`\377`);
  expect(bad.stderr.text).toContain('the command line contains bytes that are not UTF-8');
  expect([bad.exitCode, rig.entries('start')]).toEqual([2, []]);
  // the very character that stands for others may be meant
  expect((await typed(String.raw`\357\277\275`)).stdout.text).toBe('\u{fffd}\n');
});
