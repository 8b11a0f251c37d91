import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';
import { TCG, created, errorsOf, momentsOf, succeeded, vmFile } from '../rig/vms.ts';

const FULL = { ioError: { nospace: true } };

describe('a disk that cannot be written', () => {
  test('of a stateless VM for want of room: the directory is reported, and how to name another', async () => {
    await using rig = new Rig({ faults: FULL });
    const { exitCode, stderr } = await rig.run(['run', rig.stored(), ...TCG, '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)).toEqual([
      `the VM was ended: ${temporary(rig)}, which holds its disk writes, is full`,
    ]);
    expect(stderr.text).toMatch(/hint: set TRANSIENT_SNAPSHOT_DIR to a directory with more space$/m);
    expect(momentsOf(rig).slice(-3)).toEqual(['command', 'signal', 'end']);
  });

  test('of a stored one: the directory of its disks is reported', async () => {
    await using rig = new Rig({ faults: FULL });
    await created(rig, 'my-vm');
    const { exitCode, stderr } = await rig.run(['start', 'my-vm', ...TCG, '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)).toEqual([
      `the VM was ended: no space left in ${vmFile(rig, 'my-vm', '').replace(/\/$/, '')}, which holds its disks`,
    ]);
    expect(stderr.text).not.toContain('TRANSIENT_SNAPSHOT_DIR');
  });

  test('for another reason: that is reported', async () => {
    await using rig = new Rig({ faults: { ioError: { nospace: false } } });
    const { exitCode, stderr } = await rig.run(['run', rig.stored(), ...TCG, '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)).toEqual(['the VM was ended: one of its disks failed: Input/output error']);
  });

  test('also from the console', async () => {
    await using rig = new Rig({ faults: FULL });
    const args = ['run', rig.stored(), ...TCG, '--ssh-console'];
    const { exitCode, stderr } = await rig.run(args, { stdin: 'true\n' });
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)).toHaveLength(1);
  });

  test('of one among several: all of them end, and it is reported once', async () => {
    await using rig = new Rig({ faults: { byName: { 'work-a': FULL } } });
    rig.stored();
    const vm = (name: string, command: string): string =>
      `[vms.${name}]\nimage = "test"\naccel = "tcg"\nssh-command = "${command}"\n`;
    rig.write({ 'Transientfile.toml': vm('a', 'true') + vm('b', 'sleep 1000') });
    const { exitCode, stderr } = await rig.run(['up']);
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)).toHaveLength(1);
    expect(stderr.text).toMatch(/^a: error: the VM was ended/m);
  });

  test('of a service: the run ends', async () => {
    await using rig = new Rig({ faults: { byName: { 'work-a': FULL } } });
    rig.stored();
    rig.write({
      'Transientfile.toml': '[defaults]\naccel = "tcg"\n[vms.a]\nimage = "test"\n[vms.b]\nimage = "test"\n',
    });
    const owner = rig.start(['up']);
    await owner.waitFor(/All services are ready/);
    expect((await rig.run(['ssh', 'work-a', '--cmd', 'true'])).exitCode).not.toBe(0);
    const { exitCode, stderr } = await owner.ended;
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)).toHaveLength(1);
    expect(stderr.text).toMatch(/^a: error: the VM was ended/m);
  });
});

describe('TRANSIENT_SNAPSHOT_DIR', () => {
  test('is where QEMU puts what a guest writes', async () => {
    const directory = 'with space';
    await using rig = new Rig();
    mkdirSync(join(rig.work, directory));
    const env = { TRANSIENT_SNAPSHOT_DIR: join(rig.work, directory) };
    const { exitCode } = await rig.run(['run', rig.stored(), ...TCG, '--cmd', 'true'], { env });
    expect(exitCode).toBe(0);
    expect(temporary(rig)).toBe(join(rig.work, directory));
  });

  test('is reported when it is full', async () => {
    await using rig = new Rig({ faults: FULL });
    const env = { TRANSIENT_SNAPSHOT_DIR: rig.home };
    const { stderr } = await rig.run(['run', rig.stored(), ...TCG, '--cmd', 'true'], { env });
    expect(stderr.text).toContain(`${rig.home}, which holds its disk writes, is full`);
  });

  test.for(['nowhere', 'file'])('that is no directory is told, before QEMU starts: %s', async (name) => {
    await using rig = new Rig();
    rig.write({ file: '' });
    const path = join(rig.work, name);
    const env = { TRANSIENT_SNAPSHOT_DIR: path };
    const { exitCode, stderr } = await rig.run(['run', rig.stored(), ...TCG, '--cmd', 'true'], { env });
    expect(exitCode).toBe(1);
    expect(stderr.text).toMatch(/^TRANSIENT_SNAPSHOT_DIR: error: cannot write to /m);
    expect(stderr.text).toContain(path);
    expect(rig.entries()).toEqual([]);
    expect(existsSync(join(rig.work, 'nowhere'))).toBe(false);
  });

  test('that is relative is that of the working directory', async () => {
    await using rig = new Rig();
    mkdirSync(join(rig.work, 'here'));
    const env = { TRANSIENT_SNAPSHOT_DIR: 'here' };
    await rig.run(['run', rig.stored(), ...TCG, '--cmd', 'true'], { env });
    expect(temporary(rig)).toMatch(/^(here|\/.*\/here)$/);
  });

  test('that is empty sets nothing', async () => {
    await using rig = new Rig();
    await succeeded(rig, ['run', rig.stored(), '--cmd', 'true'], { TRANSIENT_SNAPSHOT_DIR: '' });
    expect(temporary(rig)).toMatch(/^\/\w/);
  });
});

/** The directory that the fake QEMU was given for its temporary files. */
function temporary(rig: Rig): string | undefined {
  return rig.entries('start')[0]?.temporary;
}
