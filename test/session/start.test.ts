import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PYTHONS_DEFAULTS } from '../rig/python-config.ts';
import { Rig } from '../rig/rig.ts';
import { sshProgram } from '../rig/ssh-program.ts';
import { TCG, created, momentsOf, storeFiles, succeeded, valuesOf, vmFile } from '../rig/vms.ts';

describe('start', () => {
  test('one that is not there is reported', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const { exitCode, stderr } = await rig.run(['start', 'y']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain("error: No VM with name 'y' found");
  });

  test('it runs what was set at its creation, on its own disk', async () => {
    await using rig = new Rig();
    await created(rig, 'x', '--cmd', 'echo stored; exit 3');
    const { exitCode, stdout } = await rig.run(['start', 'x', ...TCG]);
    expect(exitCode).toBe(3);
    expect(stdout.text).toBe('stored\n');
    const [start] = rig.entries('start');
    expect(start?.name).toBe('x');
    expect(start?.argv).not.toContain('-snapshot');
    expect(valuesOf(start?.argv, '-drive')).toEqual([
      `file=${vmFile(rig, 'x', 'x-0-test')},format=qcow2,if=none,id=disk0`,
    ]);
  });

  test('all of its disks are there, in their order', async () => {
    await using rig = new Rig();
    const images = Array.from({ length: 11 }, (_value, number) => rig.stored(`data${number}`));
    await created(rig, 'x', ...images.flatMap((image) => ['--extra-image', image]));
    await succeeded(rig, ['start', 'x', '--cmd', 'true']);
    const files = valuesOf(rig.entries('start')[0]?.argv, '-drive').map((drive) =>
      drive.replace(/^file=.*\/x-(.*?),.*$/, '$1'),
    );
    expect(files).toEqual(['0-test', ...images.map((image, index) => `${index + 1}-${image}`)]);
  });

  test('the guest is asked to shut down', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    await succeeded(rig, ['start', 'x', '--cmd', 'true']);
    expect(momentsOf(rig).slice(-2)).toEqual(['powerdown', 'end']);
  });

  test('with the time that was set at its creation', async () => {
    await using rig = new Rig({ faults: { ignorePowerdown: true } });
    await created(rig, 'x', '--shutdown-timeout', '0.2');
    const { exitCode, stderr } = await rig.run(['start', 'x', '--cmd', 'true']);
    expect(exitCode).toBe(0);
    expect(stderr.text).toContain('did not shut down within 0.2 s');
  });

  test('flags replace what is stored, for this time', async () => {
    await using rig = new Rig();
    await created(rig, 'x', '--cmd', 'echo stored', '-m', '512M', '--cpus', '1');
    expect(await succeeded(rig, ['start', 'x', '--cmd', 'echo typed', '-m', '256M'])).toBe('typed\n');
    expect(await succeeded(rig, ['start', 'x'])).toBe('stored\n');
    const machines = rig.entries('start').map(({ argv }) => [valuesOf(argv, '-m'), valuesOf(argv, '-smp')]);
    expect(machines).toEqual([
      [['256M'], ['1']],
      [['512M'], ['1']],
    ]);
  });

  test('lists are added to what is stored', async () => {
    await using rig = new Rig();
    const { path, calls } = sshProgram(rig);
    const device = ['--', '-device', 'virtio-rng-pci'];
    await created(
      rig,
      'x',
      '--ssh-bin-name',
      path,
      '-o',
      'ServerAliveInterval=5',
      '--cmd',
      'true',
      ...device,
    );
    await succeeded(rig, [
      'start',
      'x',
      '-o',
      'ServerAliveCountMax=7',
      '--',
      '-device',
      'virtio-balloon-pci',
    ]);
    expect(rig.entries('start')[0]?.argv?.slice(-4)).toEqual([
      '-device',
      'virtio-rng-pci',
      '-device',
      'virtio-balloon-pci',
    ]);
    expect(valuesOf(calls().at(-1), '-o').slice(0, 2)).toEqual([
      'ServerAliveInterval=5',
      'ServerAliveCountMax=7',
    ]);
  });

  test('a list that is given again just as it is stored counts once', async () => {
    await using rig = new Rig();
    const device = ['--', '-device', 'virtio-rng-pci'];
    await created(rig, 'x', ...device);
    await succeeded(rig, ['start', 'x', '--cmd', 'true', ...device]);
    expect(rig.entries('start')[0]?.argv?.filter((argument) => argument === 'virtio-rng-pci')).toHaveLength(
      1,
    );
  });

  test('options may come from a file, over what is stored and below the flags', async () => {
    await using rig = new Rig();
    await created(rig, 'x', '-m', '256M', '--cpus', '1', '--cmd', 'echo stored');
    rig.write({ 'vm.toml': 'memory = "300M"\ncpus = 3\nssh-command = "echo file"\n' });
    expect(await succeeded(rig, ['start', 'x', '--config', 'vm.toml', '--cpus', '4'])).toBe('file\n');
    const { argv } = await rig.happened('start');
    expect([valuesOf(argv, '-m'), valuesOf(argv, '-smp')]).toEqual([['300M'], ['4']]);
  });

  test('a file of options that is wrong is reported with its line', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    rig.write({ 'vm.toml': 'memory = "300M"\ncpuss = 3\n' });
    const { exitCode, stderr } = await rig.run(['start', 'x', '--config', 'vm.toml']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain('vm.toml:2:1 error:');
    expect(rig.entries()).toEqual([]);
  });

  test('a further disk in such a file is refused', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    rig.write({ 'vm.toml': 'memory = "300M"\nextra-image = ["test"]\n' });
    const { exitCode, stderr } = await rig.run(['start', 'x', '--config', 'vm.toml']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toMatch(
      /^vm\.toml.* error: VM 'x' already exists, and disks can only be added when/m,
    );
    expect(rig.entries()).toEqual([]);
  });

  test('a further disk is refused, with the reason', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const { exitCode, stderr } = await rig.run(['start', 'x', '--extra-image', 'test']);
    expect(exitCode).toBe(2);
    expect(stderr.text).toContain('error: unrecognized arguments: --extra-image');
    expect(stderr.text).toContain('hint: disks are added when a VM is created');
  });

  test('without ssh it is the console of QEMU', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const program = rig.start(['start', 'x', ...TCG]);
    await program.waitFor(/Welcome to the fake guest!/, 'stdout');
    program.write('\x01x');
    expect((await program.ended).exitCode).toBe(0);
    expect(valuesOf(rig.entries('start')[0]?.argv, '-netdev')).toEqual([]);
  });

  test('a VM of another store is not found', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const { exitCode } = await rig.run(['start', 'x', '--vmstore', join(rig.work, 'other')]);
    expect(exitCode).toBe(1);
  });
});

describe('a VM that the Python created', () => {
  test('starts', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const text = `${PYTHONS_DEFAULTS}ssh_command = "echo in"\n`;
    writeFileSync(vmFile(rig, 'x', 'config'), text);
    rmSync(join(rig.vmstore, '.transient'), { recursive: true });
    expect(await succeeded(rig, ['start', 'x'])).toBe('in\n');
  });

  test('keeps the key by which the Python logs in, and warns who else can log in', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    rmSync(join(rig.vmstore, '.transient'), { recursive: true });
    rig.write({ 'folder/file': '', 'other/file': '' });
    const folder = (name: string, more = ''): string =>
      `{ host = "./${name}", guest = "${join(rig.root, name)}"${more} }`;
    rig.write({
      'vm.toml': `shared-folder = [${folder('folder')}, ${folder('other', ', readonly = true')}]\n`,
    });
    const { stderr } = await rig.run(['start', 'x', '--config', 'vm.toml', '--cmd', 'true']);
    expect(stderr.text).toMatch(/any user of this host can log in to it, and write to \S*\/folder\n/);
  });

  test.for([
    ['', []],
    ['ssh_net_driver = "virtio-net-pci"\n', []],
    ['ssh_net_driver = "e1000"\n', ['e1000,id=ssh-card,netdev=ssh,romfile=']],
  ] as const)('a default that it wrote out was not said: %j', async ([line, cards]) => {
    await using rig = new Rig();
    await created(rig, 'x');
    const defaults = PYTHONS_DEFAULTS.replace(/^ssh_net_driver.*\n/m, '');
    writeFileSync(vmFile(rig, 'x', 'config'), defaults + line);
    const program = rig.start(['start', 'x', ...TCG]);
    await program.waitFor(/Welcome to the fake guest!/, 'stdout');
    program.write('\x01x');
    expect((await program.ended).exitCode).toBe(0);
    const devices = valuesOf(rig.entries('start')[0]?.argv, '-device');
    expect(devices.filter((device) => device.includes('netdev'))).toEqual(cards);
  });

  test.for([
    ['shared_folder = ["/a"]', 'must be HOST_PATH:GUEST_PATH'],
    ['unheard_of = 1', 'unheard_of'],
    ['ssh_port = "many"', 'ssh-port'],
  ] as const)('what we cannot do is told with its line: %s', async ([line, message]) => {
    await using rig = new Rig();
    await created(rig, 'x');
    const path = vmFile(rig, 'x', 'config');
    writeFileSync(path, `primary_image = "test"\n${line}\n`);
    const { exitCode, stderr } = await rig.run(['start', 'x']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain(`${path}:2:`);
    expect(stderr.text).toContain(message);
    expect(rig.entries()).toEqual([]);
  });
});

describe('a VM that is broken', () => {
  test('one whose image is gone is reported, and not started', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    rmSync(join(rig.backend, 'test'));
    const { exitCode, stderr } = await rig.run(['start', 'x', '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain(
      `VM 'x' needs image 'test', which is missing: ${join(rig.backend, 'test')}`,
    );
    expect(stderr.text.match(/error:/g)).toHaveLength(1);
    expect(rig.entries()).toEqual([]);
  });

  test('also when it is that of a further disk', async () => {
    await using rig = new Rig();
    rig.stored('data');
    await created(rig, 'x', '--extra-image', 'data');
    rmSync(join(rig.backend, 'data'));
    const { exitCode, stderr } = await rig.run(['start', 'x', '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain("needs image 'data'");
  });

  test.for(['start', 'run'] as const)(
    'without a configuration: %s shows it, and rm removes it',
    async (by) => {
      await using rig = new Rig();
      await created(rig, 'x');
      rmSync(vmFile(rig, 'x', 'config'));
      const args = by === 'start' ? ['start', 'x'] : ['run', 'test', '--name', 'x'];
      const { exitCode, stderr } = await rig.run(args);
      expect(exitCode).toBe(1);
      expect(stderr.text).toContain("VM 'x' has no configuration");
      expect(stderr.text).toContain('transient rm x');
      await succeeded(rig, ['rm', 'x']);
      expect(storeFiles(rig.vmstore)).toEqual({});
    },
  );

  test('without a disk', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    rmSync(vmFile(rig, 'x', 'x-0-test'));
    const { exitCode, stderr } = await rig.run(['start', 'x', '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain("VM 'x' has no first disk");
    await succeeded(rig, ['rm', 'x']);
  });

  test('whose configuration is a directory', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const config = vmFile(rig, 'x', 'config');
    rmSync(config);
    mkdirSync(config);
    const { exitCode, stderr } = await rig.run(['start', 'x']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain(`cannot read ${config}: it is a directory`);
  });
});
