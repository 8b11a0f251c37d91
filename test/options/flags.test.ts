import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { addFlags, flagLayer } from '../../src/options/flags.ts';
import type { Layer } from '../../src/options/layer.ts';
import type { Scope } from '../../src/options/option.ts';
import type { Result } from '../../src/problem.ts';

describe('flags as a layer', () => {
  test('what was not typed is not there', () => {
    expect(valuesOf('run')).toEqual({});
  });

  test.for([
    [['--ssh-port', '2222'], { 'ssh-port': 2222 }],
    [['--ssh-timeout', '0.5'], { 'ssh-timeout': 0.5 }],
    [['--ssh-timeout=5'], { 'ssh-timeout': 5 }],
    [['--memory', '512M'], { memory: '512M' }],
    [['-m', '512'], { memory: '512' }],
    [['-c', '4'], { cpus: 4 }],
    [['--cmd', 'echo 1'], { 'ssh-command': 'echo 1' }],
    [['--ssh-command', '12'], { 'ssh-command': '12' }],
    [['--cmd', '-n'], { 'ssh-command': '-n' }],
    [['--ssh'], { 'ssh-console': true }],
    [['--sshs'], { 'ssh-with-serial': true }],
    [['--no-virtio-scsi'], { 'no-virtio-scsi': true }],
    [['--accel', 'tcg'], { accel: 'tcg' }],
    [['--ssh-user', '1000'], { 'ssh-user': '1000' }],
    [['--config', '1.5'], { config: '1.5' }],
  ] as const)('%o', ([argv, values]) => {
    expect(valuesOf('run', ...argv)).toEqual(values);
  });

  test('a list grows with each flag', () => {
    expect(valuesOf('run', '-o', 'A=1', '--ssh-option', 'B=2')).toEqual({ 'ssh-option': ['A=1', 'B=2'] });
  });

  test('of a scalar the last counts', () => {
    expect(valuesOf('run', '--ssh-port', '1', '--ssh-port', '2')).toEqual({ 'ssh-port': 2 });
  });

  test('a counted switch counts', () => {
    expect(valuesOf('everywhere', '-v', '-v')).toEqual({ verbose: 2 });
    expect(valuesOf('everywhere', '-vv')).toEqual({ verbose: 2 });
    expect(valuesOf('everywhere', '--verbose')).toEqual({ verbose: 1 });
  });

  test('what follows the dashes is for QEMU', () => {
    const layer = layerOf('run', [], ['-m', '2G']);
    expect(layer).toMatchObject({
      ok: true,
      value: { values: { 'qemu-args': ['-m', '2G'] }, base: '/work' },
    });
  });

  test('it knows where each was set', () => {
    const layer = layerOf('run', ['--ssh-port', '1'], ['-m']);
    if (!layer.ok) throw new Error('the flags are right');
    expect(layer.value.where('ssh-port')).toEqual({ kind: 'flag', flag: '--ssh-port' });
    expect(layer.value.where('qemu-args')).toEqual({ kind: 'flag', flag: '--' });
  });
});

describe('flags that are wrong', () => {
  test.for([
    [['--ssh-port', '70000'], '--ssh-port must be at most 65535, got 70000'],
    [['--ssh-port', '0'], '--ssh-port must be at least 1, got 0'],
    [['--ssh-port', '022'], '--ssh-port must be a number, got "022"'],
    [['--memory', '07'], '--memory must be an amount of memory such as "512M" or "2G", got "07"'],
    [['--ssh-port', '22x'], '--ssh-port must be a number, got "22x"'],
    [['--ssh-port', '1.5'], '--ssh-port must be a whole number, got 1.5'],
    [['--ssh-timeout', '-1'], '--ssh-timeout must be at least 0, got -1'],
    [['--cmd', ''], '--ssh-command must not be empty'],
    [['--memory', 'much'], '--memory must be an amount of memory such as "512M" or "2G", got "much"'],
    [['--accel', 'tgc'], '--accel must be one of "auto", "kvm", "tcg", got "tgc"'],
  ] as const)('%o: %s', ([argv, message]) => {
    expect(problemsOf('run', ...argv)).toEqual([message]);
  });

  test('all of them are reported at once', () => {
    expect(problemsOf('run', '--ssh-port', '0', '--cpus', '0')).toHaveLength(2);
  });
});

function layerOf(scope: Scope, argv: readonly string[], qemuArgs: readonly string[] = []): Result<Layer> {
  const command = new Command().exitOverride();
  const read = addFlags(command, scope);
  command.parse(argv, { from: 'user' });
  return flagLayer(scope, read(), qemuArgs, '/work');
}

function valuesOf(scope: Scope, ...argv: readonly string[]): unknown {
  const layer = layerOf(scope, argv);
  if (!layer.ok) throw new Error(layer.problems.map(({ message }) => message).join('\n'));
  return layer.value.values;
}

function problemsOf(scope: Scope, ...argv: readonly string[]): string[] {
  const layer = layerOf(scope, argv);
  return layer.ok ? [] : layer.problems.map(({ message }) => message);
}
