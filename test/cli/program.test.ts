import { describe, expect, it } from 'vitest';
import { COMMANDS, parseCommandLine } from '../../src/cli/program.ts';
import type { Problem } from '../../src/problem.ts';

function parse(...argv: string[]): ReturnType<typeof parseCommandLine> {
  return parseCommandLine({ argv, environment: {}, workingDirectory: '/work' });
}

function problemOf(...argv: string[]): Problem | undefined {
  const parsed = parse(...argv);
  return parsed.ok ? undefined : parsed.problems[0];
}

describe('a bad command line', () => {
  it.each([
    [['run', 'a', 'b', 'c'], 'unrecognized arguments: b c'],
    [['run', 'a', '--x'], 'unrecognized arguments: --x'],
    [['start', 'a', '--name', 'n'], 'unrecognized arguments: --name'],
    [['start', 'a', '--extra-image', 'n'], 'unrecognized arguments: --extra-image'],
    [['image', 'ls', 'x'], 'unrecognized arguments: x'],
    [['run'], "missing required argument 'image'"],
    [['run', 'a', '--ssh-port'], "option '--ssh-port <PORT>' argument missing"],
    [['run', 'a', '--ssh-port', '70000'], '--ssh-port must be at most 65535, got 70000'],
    [['bogus'], "there is no command 'bogus'"],
    [['image', 'bogus'], "there is no command 'bogus'"],
    [[], 'missing command'],
  ])('%j', (argv, message) => {
    expect(problemOf(...argv)).toMatchObject({ message, where: { kind: 'flag' } });
  });

  it.each([
    [['image', 'rm', '--bogus'], 'see transient image rm --help'],
    [['stop', 'run', '--bogus'], 'see transient stop --help'],
    [['start', 'up', '--extra-image', 'x'], 'disks are added when a VM is created'],
    [['upp', 'run'], 'did you mean up?'],
    [['--vmstore', 'run', 'ps', '--bogus'], 'see transient ps --help'],
  ])('%j leads to what is meant', (argv, hint) => {
    expect(problemOf(...argv)?.hint).toContain(hint);
  });

  it('names the nearest flag for a misspelt one', () => {
    expect(problemOf('run', 'a', '--ssh-comand', 'x')?.hint).toContain('--ssh-command');
  });
});

describe('a good command line', () => {
  it('has global flags before and after the command, and -v adds up', () => {
    const parsed = parse('-v', '--image-backend', 'x', 'run', 'a', '-v');
    expect(parsed).toMatchObject({ ok: true, value: { verbose: 2 } });
  });

  it.each([
    [['--vmstore', 'run', 'ps', '--all'], 'ps'],
    [['start', 'up', '--ssh'], 'start'],
    [['rm', 'image', 'ls', '-f'], 'rm'],
  ])('%j has the flags of %s, whatever names are operands and values', (argv, name) => {
    expect(parse(...argv)).toMatchObject({ ok: true, value: { def: { name } } });
  });

  it('gives QEMU what follows the dashes, also what looks like our flags', () => {
    const parsed = parse('run', 'a', '--', '-m', '1G', '--ssh');
    const invocation = parsed.ok && parsed.value.kind === 'command' ? parsed.value.invocation : undefined;
    expect(invocation?.flags.values['qemu-args']).toEqual(['-m', '1G', '--ssh']);
    expect(invocation?.operands).toEqual(['a']);
  });

  it.each(COMMANDS.map(({ name }) => name))('%s has help', (name) => {
    const parsed = parse(...name.split(' '), '--help');
    expect(parsed.ok && parsed.value.kind === 'help' && parsed.value.text).toContain(
      `Usage: transient ${name}`,
    );
  });
});
