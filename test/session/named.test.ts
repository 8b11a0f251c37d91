import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Ended } from '../rig/program.ts';
import { Rig } from '../rig/rig.ts';
import { sshProgram } from '../rig/ssh-program.ts';
import { TCG, created, momentsOf, storeFiles, succeeded, valuesOf, vmFile } from '../rig/vms.ts';

describe('run with a name', () => {
  test('it makes the VM and keeps it; the next time that is what runs', async () => {
    await using rig = new Rig();
    const args = ['run', `disk,file=${rig.image('disk.qcow2')}`, '--name', 'x', '--cmd', 'echo in'];
    const first = await rig.run(args);
    const disk = vmFile(rig, 'x', 'x-0-disk');
    writeFileSync(disk, '', { flag: 'a' });
    const second = await rig.run(args);
    expect([first.exitCode, second.exitCode]).toEqual([0, 0]);
    expect([first.stdout.text, second.stdout.text]).toEqual(['in\n', 'in\n']);
    expect(stepsOf(first)).toContain('Create VM x');
    expect(stepsOf(first)).toContain('Import image disk');
    expect(stepsOf(second)).not.toContain('Create VM x');
    expect(stepsOf(second)).not.toContain('Import image disk');
    expect(rig.entries('start').map(({ argv }) => valuesOf(argv, '-drive')[0])).toEqual([
      expect.stringContaining(`file=${disk},`),
      expect.stringContaining(`file=${disk},`),
    ]);
  });

  test('options of its first run are stored', async () => {
    await using rig = new Rig();
    await succeeded(rig, ['run', rig.stored(), '--name', 'x', '--cmd', 'echo first', '-m', '300M']);
    expect(await succeeded(rig, ['run', 'test', '--name', 'x', '--cmd', 'echo second'])).toBe('second\n');
    expect(await succeeded(rig, ['start', 'x'])).toBe('first\n');
    expect(rig.entries('start').map(({ argv }) => valuesOf(argv, '-m')[0])).toEqual(['300M', '300M', '300M']);
  });

  test('its exit code is that of the command, and the guest is asked to shut down', async () => {
    await using rig = new Rig();
    const { exitCode } = await rig.run(['run', rig.stored(), '--name', 'x', '--cmd', 'exit 4']);
    expect(exitCode).toBe(4);
    expect(momentsOf(rig).slice(-2)).toEqual(['powerdown', 'end']);
  });

  test('the same command line means the same: its lists do not grow', async () => {
    await using rig = new Rig();
    const { path, calls } = sshProgram(rig);
    const lists = [
      '-o',
      'ServerAliveInterval=5',
      '--',
      '-device',
      'virtio-rng-pci',
      '-device',
      'virtio-rng-pci',
    ];
    const args = ['run', rig.stored(), '--name', 'x', '--cmd', 'true', '--ssh-bin-name', path, ...lists];
    await succeeded(rig, args);
    await succeeded(rig, args);
    const devices = rig.entries('start').map(({ argv }) => argv?.filter((item) => item === 'virtio-rng-pci'));
    expect(devices.map((found) => found?.length)).toEqual([2, 2]);
    const options = calls().map((argv) => argv.filter((item) => item === 'ServerAliveInterval=5').length);
    expect(new Set(options)).toEqual(new Set([1]));
  });

  test('another image than the one it was made from is not used, with a warning', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const { exitCode, stderr } = await rig.run(['run', 'other', '--name', 'x', '--cmd', 'true']);
    expect(exitCode).toBe(0);
    expect(stderr.text).toContain("warning: VM 'x' was created from image 'test'; image 'other' is not used");
    expect(rig.images).toEqual(['test']);
    expect(await succeeded(rig, ['ps', '-a'])).toMatch(/^x +test +Offline/m);
  });

  test('the same image is no reason to warn', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const { stderr } = await rig.run(['run', 'test', '--name', 'x', '--cmd', 'true', ...TCG]);
    expect(stderr.text).not.toContain('warning');
  });

  test.for([
    ['none', []],
    ['another', ['--extra-image', 'more']],
  ] as const)('a further disk for a VM that has %s is refused', async ([, before]) => {
    await using rig = new Rig();
    for (const image of ['data', 'more']) rig.stored(image);
    await created(rig, 'x', ...before);
    const files = storeFiles(rig.vmstore);
    const { exitCode, stderr } = await rig.run(['run', 'test', '--name', 'x', '--extra-image', 'data']);
    expect(exitCode).not.toBe(0);
    expect(stderr.text).toContain("VM 'x' already exists, and disks can only be added when a VM is created");
    expect(rig.entries()).toEqual([]);
    expect(storeFiles(rig.vmstore)).toEqual(files);
  });

  test('the disk that it has may be given again', async () => {
    await using rig = new Rig();
    rig.stored('data');
    await created(rig, 'x', '--extra-image', 'data');
    await succeeded(rig, ['run', 'test', '--name', 'x', '--extra-image', 'data', '--cmd', 'true']);
    expect(valuesOf(rig.entries('start')[0]?.argv, '-drive')).toHaveLength(2);
  });

  test('without a name nothing is kept', async () => {
    await using rig = new Rig();
    await succeeded(rig, ['run', rig.stored(), '--cmd', 'true']);
    expect(storeFiles(rig.vmstore)).toEqual({});
    expect(rig.entries('start')[0]?.argv).toContain('-snapshot');
  });

  test('with --plan there is none', async () => {
    await using rig = new Rig();
    const output = await succeeded(rig, ['run', rig.stored(), '--name', 'x', '--plan']);
    expect(output).toContain('Create VM x');
    expect(storeFiles(rig.vmstore)).toEqual({});
  });

  test('a store that cannot be written is reported', async () => {
    await using rig = new Rig();
    const args = ['run', rig.stored(), '--name', 'x', '--vmstore', '/proc/self/vms'];
    const { exitCode, stderr } = await rig.run(args);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain('cannot write to the VM store /proc/self/vms');
    expect(stderr.text).toContain('--vmstore');
  });
});

/** The steps of which stderr tells. */
function stepsOf({ stderr }: Ended): string[] {
  return [...stderr.text.matchAll(/^(?:\S+: )?(.*): \w+ \([\d.]+ s\)$/gm)].map((match) => match[1] ?? '');
}
