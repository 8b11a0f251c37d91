import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';
import { sshProgram } from '../rig/ssh-program.ts';
import { configOf, created, momentsOf, storeFiles, succeeded, valuesOf, vmFile, vmsIn } from '../rig/vms.ts';

describe('a VM of a Transientfile that is kept', () => {
  test('by "persistent" it is called after the project, and the next "up" runs it again', async () => {
    await using rig = project({ a: 'persistent = true\nssh-command = "echo in"' });
    expect(await succeeded(rig, ['up'])).toBe('in\n');
    const disk = vmFile(rig, 'work-a', 'work%2Da-0-test');
    const before = readFileSync(disk);
    expect(await succeeded(rig, ['up'])).toBe('in\n');
    expect(vmsIn(rig.vmstore)).toEqual(['work%2Da']);
    expect(readFileSync(disk).equals(before)).toBe(true);
    const starts = rig.entries('start');
    expect(starts.map(({ name }) => name)).toEqual(['work-a', 'work-a']);
    for (const { argv } of starts) {
      expect(argv).not.toContain('-snapshot');
      expect(valuesOf(argv, '-drive')[0]).toContain(`file=${disk},`);
    }
  });

  test('by "name" it is called that', async () => {
    await using rig = project({ a: 'name = "x y"\nssh-command = "echo in"' });
    expect(await succeeded(rig, ['up'])).toBe('in\n');
    expect(await succeeded(rig, ['ps', '-a'])).toMatch(/^x y +test +Offline/m);
    expect(await succeeded(rig, ['start', 'x y'])).toBe('in\n');
  });

  test('"name" is stronger than "persistent"', async () => {
    await using rig = project({ a: 'name = "x"\npersistent = true\nssh-command = "true"' });
    await succeeded(rig, ['up']);
    expect(vmsIn(rig.vmstore)).toEqual(['x']);
  });

  test('the others of the file stay stateless', async () => {
    await using rig = project({ a: 'persistent = true\nssh-command = "true"', b: 'ssh-command = "true"' });
    await succeeded(rig, ['up']);
    expect(vmsIn(rig.vmstore)).toEqual(['work%2Da']);
    const snapshots = rig.entries('start').map(({ name, argv }) => [name, argv?.includes('-snapshot')]);
    expect(Object.fromEntries(snapshots)).toEqual({ 'work-a': false, 'work-b': true });
  });

  test('the guest is asked to shut down', async () => {
    await using rig = project({ a: 'persistent = true\nssh-command = "true"' });
    await succeeded(rig, ['up']);
    expect(momentsOf(rig).slice(-2)).toEqual(['powerdown', 'end']);
  });

  test('its images are retrieved once', async () => {
    await using rig = new Rig();
    rig.image('disk.qcow2');
    rig.write({
      'Transientfile.toml':
        '[images.disk]\nsource = "file=disk.qcow2"\n[vms.a]\nimage = "disk"\npersistent = true\nssh-command = "true"\n',
    });
    const [first, second] = [await rig.run(['up']), await rig.run(['up'])];
    expect([first.exitCode, second.exitCode]).toEqual([0, 0]);
    expect(first.stderr.text).toMatch(/^Import image disk: done/m);
    expect(second.stderr.text).not.toMatch(/^Import image disk/m);
    expect(configOf(rig, 'work-a')).toContain(`primary_image = "disk,file=${join(rig.work, 'disk.qcow2')}"`);
  });

  test('it lives in the store that the file names', async () => {
    await using rig = project({ a: 'persistent = true\nvmstore = "./vms"\nssh-command = "true"' });
    await succeeded(rig, ['up'], { TRANSIENT_VMSTORE: undefined });
    expect(vmsIn(join(rig.work, 'vms'))).toEqual(['work%2Da']);
    await succeeded(rig, ['up'], { TRANSIENT_VMSTORE: undefined });
    expect(storeFiles(rig.vmstore)).toEqual({});
  });
});

describe('what the file says of a VM that exists', () => {
  test('counts as it says it today', async () => {
    await using rig = project({ a: 'persistent = true\nmemory = "300M"\nssh-command = "echo one"' });
    expect(await succeeded(rig, ['up'])).toBe('one\n');
    write(rig, { a: 'persistent = true\nmemory = "400M"\nssh-command = "echo two"' });
    expect(await succeeded(rig, ['up'])).toBe('two\n');
    write(rig, { a: 'persistent = true\nssh-command = "echo three"' });
    expect(await succeeded(rig, ['up'])).toBe('three\n');
    expect(memories(rig)).toEqual(['300M', '400M', '1G']);
  });

  test('a list of it is as long as it is today', async () => {
    await using rig = project({ a: args('virtio-rng-pci') });
    await succeeded(rig, ['up']);
    await succeeded(rig, ['up']);
    write(rig, { a: args('virtio-balloon-pci') });
    await succeeded(rig, ['up']);
    const devices = rig.entries('start').map(({ argv }) => argv?.slice(-2));
    expect(devices).toEqual([
      ['-device', 'virtio-rng-pci'],
      ['-device', 'virtio-rng-pci'],
      ['-device', 'virtio-balloon-pci'],
    ]);
    expect(rig.entries('start').at(-1)?.argv).not.toContain('virtio-rng-pci');
  });

  test('what was typed at its creation stays, over the file', async () => {
    await using rig = project({ a: 'persistent = true\nmemory = "300M"\ncpus = 1\nssh-command = "true"' });
    await succeeded(rig, ['up', '-m', '500M']);
    write(rig, { a: 'persistent = true\nmemory = "400M"\ncpus = 3\nssh-command = "true"' });
    await succeeded(rig, ['up']);
    await succeeded(rig, ['up', '-m', '600M']);
    await succeeded(rig, ['up']);
    expect(memories(rig)).toEqual(['500M', '500M', '600M', '500M']);
    expect(rig.entries('start').map(({ argv }) => valuesOf(argv, '-smp')[0])).toEqual(['1', '3', '3', '3']);
  });

  test('a list that was typed at its creation is there once, also when it is typed again', async () => {
    await using rig = project({
      a: 'persistent = true\nssh-command = "true"\nssh-option = ["Compression=yes"]',
    });
    const { path, calls } = sshProgram(rig);
    const typed = ['up', '-o', 'TCPKeepAlive=no', '--ssh-bin-name', path];
    await succeeded(rig, typed);
    await succeeded(rig, ['up']);
    await succeeded(rig, typed);
    const options = calls().map((argv) =>
      valuesOf(argv, '-o').filter((option) => /^(Comp|TCP)/.test(option)),
    );
    expect(new Set(options.map((option) => option.join(' ')))).toEqual(
      new Set(['Compression=yes TCPKeepAlive=no']),
    );
  });

  test('does not count for one that "create" made: its stored options come first', async () => {
    await using rig = project({ a: 'name = "x"\nmemory = "300M"\ncpus = 3\nssh-command = "echo file"' });
    await created(rig, 'x', '-m', '500M', '--cmd', 'echo created');
    expect(await succeeded(rig, ['up'])).toBe('created\n');
    expect(memories(rig)).toEqual(['500M']);
    expect(valuesOf(rig.entries('start')[0]?.argv, '-smp')).toEqual(['3']);
  });

  test('another image is not used, with a warning', async () => {
    await using rig = project({ a: 'persistent = true\nssh-command = "true"' });
    await succeeded(rig, ['up']);
    rig.write({
      'Transientfile.toml': '[vms.a]\nimage = "other"\npersistent = true\nssh-command = "true"\n',
    });
    const { exitCode, stderr } = await rig.run(['up']);
    expect(exitCode).toBe(0);
    expect(stderr.text).toContain("VM 'work-a' was created from image 'test'; image 'other' is not used");
  });

  test('a further disk is not passed over in silence', async () => {
    await using rig = project({ a: 'persistent = true\nssh-command = "true"' });
    await succeeded(rig, ['up']);
    rig.stored('data');
    write(rig, { a: 'persistent = true\nssh-command = "true"\nextra-image = ["data"]' });
    const { stderr } = await rig.run(['up', '--accel', 'tcg']);
    expect(stderr.text).toMatch(/disks can only be added when a VM is created|warning/);
  });
});

describe('"start" of a VM that "up" created', () => {
  test('runs it with what the file and the flags said then', async () => {
    await using rig = project({ a: 'persistent = true\nmemory = "300M"\nssh-command = "echo one"' });
    rig.write({
      'Transientfile.toml': `[defaults]\ncpus = 3\n${readFileSync(join(rig.work, 'Transientfile.toml'), 'utf8')}`,
    });
    await succeeded(rig, ['up', '-o', 'Compression=yes']);
    write(rig, { a: 'persistent = true\nmemory = "400M"\nssh-command = "echo two"' });
    const { path, calls } = sshProgram(rig);
    expect(await succeeded(rig, ['start', 'work-a', '--ssh-bin-name', path])).toBe('one\n');
    const start = rig.entries('start').at(-1);
    expect([valuesOf(start?.argv, '-m'), valuesOf(start?.argv, '-smp')]).toEqual([['300M'], ['3']]);
    expect(valuesOf(calls().at(-1), '-o').filter((option) => option === 'Compression=yes')).toHaveLength(1);
  });

  test('needs no file', async () => {
    await using rig = project({ a: 'persistent = true\nssh-command = "echo one"' });
    await succeeded(rig, ['up']);
    const { exitCode, stdout } = await rig.run(['start', 'work-a'], { cwd: '..' });
    expect(exitCode).toBe(0);
    expect(stdout.text).toBe('one\n');
  });
});

describe('names in the store', () => {
  test('one that two VMs of the file have is reported with its line', async () => {
    await using rig = project({ a: 'name = "x"', b: 'name = "x"' });
    const { exitCode, stderr } = await rig.run(['up']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain(
      'Transientfile.toml:6:8 error: VMs "a" and "b" have the same name \'x\' in the VM store',
    );
    expect(storeFiles(rig.vmstore)).toEqual({});
  });

  test('also where one has it from the project', async () => {
    await using rig = project({ a: 'name = "work-b"', b: 'persistent = true' });
    const { exitCode, stderr } = await rig.run(['up']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toMatch(
      /^Transientfile\.toml:4:2 error: VMs "a" and "b" have the same name 'work-b'/m,
    );
  });

  test('in two stores it is no trouble', async () => {
    const lines = 'name = "x"\nssh-command = "true"';
    await using rig = project({ a: `${lines}\nvmstore = "./one"`, b: `${lines}\nvmstore = "./two"` });
    await succeeded(rig, ['up'], { TRANSIENT_VMSTORE: undefined });
    expect([vmsIn(join(rig.work, 'one')), vmsIn(join(rig.work, 'two'))]).toEqual([['x'], ['x']]);
  });

  test('one that begins with a dot is reported with its line', async () => {
    await using rig = project({ a: 'name = ".x"' });
    const { exitCode, stderr } = await rig.run(['up']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toMatch(/^Transientfile\.toml:3:8 error: .*must not begin with a dot/m);
  });
});

test('a VM that is in use ends the whole "up", and nothing of it stays', async () => {
  await using rig = project({ a: 'persistent = true\nssh-command = "echo up; sleep 1000"' });
  const owner = rig.start(['up']);
  await owner.waitFor(/^up$/m, 'stdout');
  write(rig, { a: 'persistent = true\nssh-command = "true"', b: 'depends-on = ["a"]\nssh-command = "true"' });
  const { exitCode, stderr } = await rig.run(['up']);
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain(`a: error: VM 'work-a' is in use by process ${owner.pid}, since`);
  expect(rig.entries('start')).toHaveLength(1);
  owner.signal('SIGTERM');
  await owner.ended;
});

/** A rig with a project named "work" whose VMs, from an image that is there, have these lines. */
function project(vms: Readonly<Record<string, string>>): Rig {
  const rig = new Rig();
  rig.stored();
  write(rig, vms);
  return rig;
}

function write(rig: Rig, vms: Readonly<Record<string, string>>): void {
  const tables = Object.entries(vms).map(([name, lines]) => `[vms.${name}]\nimage = "test"\n${lines}\n`);
  rig.write({ 'Transientfile.toml': tables.join('') });
}

function args(device: string): string {
  return `persistent = true\nssh-command = "true"\nqemu-args = ["-device", "${device}"]`;
}

function memories(rig: Rig): string[] {
  return rig.entries('start').flatMap(({ argv }) => valuesOf(argv, '-m'));
}
