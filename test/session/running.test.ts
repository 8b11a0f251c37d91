import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Program } from '../rig/program.ts';
import { Rig } from '../rig/rig.ts';
import {
  LIFE,
  STAYS,
  TCG,
  created,
  end,
  errorsOf,
  livesOf,
  runDirectories,
  running,
  storeFiles,
  succeeded,
  vmsIn,
} from '../rig/vms.ts';

describe('a VM in use', () => {
  test.for(['start', 'run', 'commit', 'rm'] as const)('%s is refused, with whose it is', async (by) => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    const files = storeFiles(rig.vmstore);
    const args = {
      start: ['start', 'x', '--cmd', 'true'],
      run: ['run', 'test', '--name', 'x', '--cmd', 'true'],
      commit: ['commit', 'x', 'new'],
      rm: ['rm', 'x'],
    };
    const { exitCode, stdout, stderr } = await rig.run(args[by]);
    expect(exitCode).toBe(1);
    expect(stdout.text).toBe('');
    expect(stderr.text).toMatch(inUse(owner));
    expect(stderr.text.match(/error:/g)).toHaveLength(1);
    expect(rig.entries('start')).toHaveLength(1);
    expect(rig.images).toEqual(['test']);
    expect(storeFiles(rig.vmstore)).toEqual(files);
    await end(owner);
  });

  test('of several at once one has it', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owners = [1, 2, 3].map(() => rig.start(['start', 'x', ...TCG, '--cmd', STAYS]));
    const first = await Promise.any(owners.map(async (one) => one.waitFor(/up/, 'stdout').then(() => one)));
    const ended = await Promise.all(owners.filter((one) => one !== first).map((one) => one.ended));
    expect(ended.map(({ exitCode }) => exitCode)).toEqual([1, 1]);
    for (const { stderr } of ended) expect(stderr.text).toContain("VM 'x' is in use by ");
    expect(rig.entries('start')).toHaveLength(1);
    await end(first);
  });

  test('already while it boots', async () => {
    await using rig = new Rig({ faults: { noQmp: true } });
    await created(rig, 'x');
    const owner = rig.start(['start', 'x', ...TCG]);
    await rig.happened('start');
    expect((await rig.run(['start', 'x'])).stderr.text).toMatch(inUse(owner));
    await end(owner);
  });

  test('ends with its owner', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    await end(await running(rig, ['start', 'x']));
    await succeeded(rig, ['start', 'x', '--cmd', 'true']);
  });

  test('nor once its owner was killed', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    owner.signal('SIGKILL');
    await owner.ended;
    await succeeded(rig, ['start', 'x', '--cmd', 'true']);
    expect(runDirectories(rig)).toEqual([]);
  });

  test('of the same name in another store is another one', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const other = join(rig.work, 'other');
    await succeeded(rig, ['create', 'test', '--name', 'x', '--vmstore', other]);
    const owner = await running(rig, ['start', 'x']);
    await succeeded(rig, ['start', 'x', '--vmstore', other, '--cmd', 'true']);
    await end(owner);
  });
});

describe('rm', () => {
  test('nothing of the VM is left', async () => {
    await using rig = new Rig();
    await created(rig, 'x', '-m', '512M');
    expect(await succeeded(rig, ['rm', 'x'])).toBe('');
    expect(readdirSync(rig.vmstore)).toEqual(['.transient']);
    expect(readdirSync(rig.vmstore, { recursive: true, withFileTypes: true }).filter(isFile)).toEqual([]);
    expect(rig.images).toEqual(['test']);
  });

  test('a new one of that name has nothing of the old one', async () => {
    await using rig = new Rig();
    await created(rig, 'x', '-m', '512M', '--cmd', 'echo old');
    await succeeded(rig, ['rm', 'x']);
    await created(rig, 'x');
    await succeeded(rig, ['start', 'x', '--cmd', 'true']);
    expect(rig.entries('start')[0]?.argv).toContain('1G');
  });

  test('with --plan it stays', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    expect(await succeeded(rig, ['rm', 'x', '--plan'])).toContain('Remove VM x');
    expect(vmsIn(rig.vmstore)).toEqual(['x']);
  });

  test('several; what is not there is reported, and the others go', async () => {
    await using rig = new Rig();
    for (const name of ['a', 'b', 'c']) await created(rig, name);
    const { exitCode, stderr } = await rig.run(['rm', 'a', 'nope', 'c', 'c']);
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)).toEqual(["No VM with name 'nope' found"]);
    expect(vmsIn(rig.vmstore)).toEqual(['b']);
  });

  test('one that runs stays, the others go', async () => {
    await using rig = new Rig();
    for (const name of ['a', 'b']) await created(rig, name);
    const owner = await running(rig, ['start', 'a']);
    const { exitCode, stderr } = await rig.run(['rm', 'a', 'b']);
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)).toEqual([expect.stringContaining("VM 'a' is in use by process")]);
    expect(vmsIn(rig.vmstore)).toEqual(['a']);
    await end(owner);
  });

  test('with --force it is stopped in order first', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    await created(rig, 'off');
    const owner = await running(rig, ['start', 'x']);
    await succeeded(rig, ['rm', '--force', 'x', 'off']);
    expect(livesOf(rig)).toEqual(LIFE);
    expect((await owner.ended).exitCode).toBe(143);
    expect(vmsIn(rig.vmstore)).toEqual([]);
  });

  test('with --force one that is not there is reported all the same', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const { exitCode, stderr } = await rig.run(['rm', '-f', 'nope', 'x']);
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)).toEqual(["No VM with name 'nope' found"]);
    expect(vmsIn(rig.vmstore)).toEqual([]);
  });

  test('with --force a stateless VM that is not in the store goes on', async () => {
    await using rig = new Rig();
    const owner = await running(rig, ['run', rig.stored()]);
    const { exitCode } = await rig.run(['rm', '--force', `test-${owner.pid}`]);
    expect(exitCode).toBe(1);
    expect(owner.runs).toBe(true);
    await end(owner);
  });

  test('twice at once is once', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const ended = await Promise.all([rig.run(['rm', 'x']), rig.run(['rm', 'x'])]);
    for (const { stderr } of ended) expect(stderr.text).not.toContain('internal error');
    expect(ended.filter(({ exitCode }) => exitCode === 0)).toHaveLength(1);
    expect(storeFiles(rig.vmstore)).toEqual({});
  });

  test('one that was cut off in its creation is not in the way', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const half = join(rig.vmstore, '.transient/creating/y/vm');
    mkdirSync(half, { recursive: true });
    await succeeded(rig, ['rm', 'x']);
    expect(existsSync(half)).toBe(false);
  });
});

function inUse(owner: Program): RegExp {
  return new RegExp(
    `VM 'x' is in use by process ${owner.pid}, since \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC$`,
    'm',
  );
}

function isFile(entry: { isFile: () => boolean }): boolean {
  return entry.isFile();
}
