import { chmodSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodeName } from '../../src/host/store-layout.ts';
import { Rig } from '../rig/rig.ts';
import { configOf, created, diskInfo, oursOf, storeFiles, succeeded, vmFile, vmsIn } from '../rig/vms.ts';

/** The first line of our text ties it to its configuration. */
function isOption(line: string): boolean {
  return line !== '' && !line.startsWith('of = ');
}

describe('create', () => {
  test('it says the name on stdout, and nothing else', async () => {
    await using rig = new Rig();
    const { exitCode, stdout } = await rig.run(['create', rig.stored(), '--name', 'x']);
    expect(exitCode).toBe(0);
    expect(stdout.text).toBe("Created VM 'x'\n");
    expect(rig.entries()).toEqual([]);
  });

  test('its directory is for its user alone, and so is that of an older one once it is used', async () => {
    await using rig = new Rig();
    rig.stored();
    await succeeded(rig, ['create', 'test', '--name', 'x']);
    const directory = join(rig.vmstore, 'x');
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    chmodSync(directory, 0o755);
    await succeeded(rig, ['start', 'x', '--accel', 'tcg', '--cmd', 'true']);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  });

  test('the VM has a directory with its configuration and a disk for each image', async () => {
    await using rig = new Rig();
    for (const name of ['base-image', 'data', 'more']) rig.stored(name);
    const extra = ['--extra-image', 'data', '--extra-image', 'more'];
    await succeeded(rig, ['create', 'base-image', '--name', 'my-vm', ...extra]);
    expect(Object.keys(storeFiles(rig.vmstore))).toEqual([
      '.transient/vms/my%2Dvm.toml',
      'my%2Dvm/config',
      'my%2Dvm/my%2Dvm-0-base%2Dimage',
      'my%2Dvm/my%2Dvm-1-data',
      'my%2Dvm/my%2Dvm-2-more',
    ]);
  });

  test('each disk names the image that it was made over, and its format', async () => {
    await using rig = new Rig();
    rig.stored('data-2');
    await created(rig, 'x', '--extra-image', 'data-2');
    for (const [file, image] of [
      ['x-0-test', 'test'],
      ['x-1-data%2D2', 'data%2D2'],
    ] as const) {
      expect(diskInfo(vmFile(rig, 'x', file))).toMatchObject({
        format: 'qcow2',
        'virtual-size': 2 ** 20,
        'full-backing-filename': join(rig.backend, image),
        'backing-filename-format': 'qcow2',
      });
    }
  });

  test('the configuration is what the Python transient reads; the rest is kept beside it', async () => {
    await using rig = new Rig();
    rig.stored('data');
    await created(
      rig,
      'my-vm',
      ...[
        '--extra-image',
        'data',
        '--ssh-command',
        'echo "hi"',
        '--ssh-user',
        'root',
        '-o',
        'Compression=yes',
      ],
      ...['--shutdown-timeout', '5.5', '--no-virtio-scsi', '--qmp-timeout', '7', '--ssh-port', '2222'],
      ...['--memory', '512M', '--cpus', '3', '--accel', 'tcg', '--', '-device', 'virtio-rng-pci'],
    );
    expect(configOf(rig, 'my-vm').split('\n').filter(Boolean)).toEqual(
      [
        'extra_image = [ "data" ]',
        'name = "my-vm"',
        'no_virtio_scsi = true',
        'primary_image = "test"',
        'qemu_args = [ "-device", "virtio-rng-pci" ]',
        'qmp_timeout = 7',
        'ssh_command = "echo \\"hi\\""',
        'ssh_option = [ "Compression=yes" ]',
        'ssh_port = 2222',
        'ssh_user = "root"',
        'shutdown_timeout = 5.5',
      ].sort(),
    );
    expect(oursOf(rig, 'my-vm').split('\n').filter(isOption)).toEqual([
      'memory = "512M"',
      'cpus = 3',
      'accel = "tcg"',
    ]);
  });

  test('paths are stored so that they lead to the same place from anywhere', async () => {
    await using rig = new Rig();
    rig.image('disk.qcow2');
    rig.image('data.qcow2');
    const images = ['disk,file=disk.qcow2', '--extra-image', 'data,file=./data.qcow2'];
    await succeeded(rig, ['create', ...images, '--name', 'x', '--image-backend', 'images']);
    expect(configOf(rig, 'x')).toBe(
      [
        `extra_image = [ "data,file=${join(rig.work, 'data.qcow2')}" ]`,
        'name = "x"',
        `primary_image = "disk,file=${join(rig.work, 'disk.qcow2')}"`,
        '',
      ].join('\n'),
    );
    expect(diskInfo(vmFile(rig, 'x', 'x-0-disk'))['full-backing-filename']).toBe(
      join(rig.work, 'images/disk'),
    );
    const { exitCode } = await rig.run(['start', 'x', '--cmd', 'true'], { cwd: '..' });
    expect(exitCode).toBe(0);
  });

  test('where it lives and how it was typed is not part of the VM', async () => {
    await using rig = new Rig();
    rig.stored();
    rig.write({ 'vm.toml': '' });
    const stores = ['--vmstore', join(rig.work, 'vms'), '--image-backend', rig.backend];
    await succeeded(rig, ['create', 'test', '--name', 'x', ...stores, '--config', 'vm.toml', '-v']);
    expect(readFileSync(join(rig.work, 'vms/x/config'), 'utf8')).toBe('name = "x"\nprimary_image = "test"\n');
  });

  test('without a name it makes one up, and says it', async () => {
    await using rig = new Rig();
    rig.stored('user/box 1');
    const output = await succeeded(rig, ['create', 'user/box 1']);
    const name = /^Created VM '(.*)'\n$/.exec(output)?.[1] ?? '';
    expect(name).toMatch(/^user-box-1-[0-9a-f]{6}$/);
    expect(vmsIn(rig.vmstore).map(decodeName)).toEqual([name]);
    expect(await succeeded(rig, ['start', name, '--cmd', 'echo in'])).toBe('in\n');
  });

  test('two without a name are two', async () => {
    await using rig = new Rig();
    const image = rig.stored();
    expect(await succeeded(rig, ['create', image])).not.toBe(await succeeded(rig, ['create', image]));
  });

  test('a name that is taken is refused, and the VM that has it stays as it is', async () => {
    await using rig = new Rig();
    await created(rig, 'x', '--cmd', 'echo first', '-m', '512M');
    const before = storeFiles(rig.vmstore);
    const { exitCode, stdout, stderr } = await rig.run(['create', 'test', '--name', 'x', '-m', '256M']);
    expect(exitCode).toBe(1);
    expect(stdout.text).toBe('');
    expect(stderr.text).toContain("error: A VM with name 'x' already exists");
    expect(storeFiles(rig.vmstore)).toEqual(before);
  });

  test('of two at once one makes it', async () => {
    await using rig = new Rig();
    const args = ['create', rig.stored(), '--name', 'x'];
    const ended = await Promise.all([rig.run(args), rig.run(args), rig.run(args)]);
    expect(ended.map(({ exitCode }) => exitCode).sort()).toEqual([0, 1, 1]);
    expect(ended.map(({ stdout }) => stdout.text).join('')).toBe("Created VM 'x'\n");
    expect(vmsIn(rig.vmstore)).toEqual(['x']);
  });

  test('without its image there is no VM', async () => {
    await using rig = new Rig();
    const { exitCode, stderr } = await rig.run(['create', 'nowhere', '--name', 'x']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain("Unable to find image 'nowhere' in backend");
    expect(vmsIn(rig.vmstore)).toEqual([]);
  });

  test.for(['-b', '-a', '--copy-in-before', '--copy-out-after', '--copy-in-before=x:y'])(
    '%s is refused, with the reason',
    async (flag) => {
      await using rig = new Rig();
      const { exitCode, stderr } = await rig.run(['create', rig.stored(), '--name', 'x', flag, 'a:b']);
      expect(exitCode).toBe(2);
      expect(stderr.text).toContain(`error: unrecognized arguments: ${flag}`);
      expect(stderr.text).toContain('  hint: files are copied when a VM runs');
      expect(vmsIn(rig.vmstore)).toEqual([]);
    },
  );

  test('its options may come from a file, and flags are over it', async () => {
    await using rig = new Rig();
    rig.stored();
    rig.write({ 'vm.toml': 'name = "from-file"\nmemory = "300M"\nssh-command = "echo in"\ncpus = 3\n' });
    expect(await succeeded(rig, ['create', 'test', '--config', 'vm.toml', '-m', '400M'])).toBe(
      "Created VM 'from-file'\n",
    );
    expect(configOf(rig, 'from-file')).toContain('ssh_command = "echo in"');
    expect(oursOf(rig, 'from-file').split('\n').filter(isOption)).toEqual(['memory = "400M"', 'cpus = 3']);
  });
});

describe('a name', () => {
  test.for(['.x', '.', '..', '.transient'])('"%s" is refused', async (name) => {
    await using rig = new Rig();
    const { exitCode, stderr } = await rig.run(['create', rig.stored(), '--name', name]);
    expect(exitCode).toBe(2);
    expect(stderr.text).toContain('--name must not begin with a dot');
    expect(vmsIn(rig.vmstore)).toEqual([]);
  });

  test.for(['a/../b', 'two words', 'ünï-✓', `it's "x"`, '100%25', 'x,y', 'a=b'])(
    '"%s" is as good as any',
    async (name) => {
      await using rig = new Rig();
      expect(await succeeded(rig, ['create', rig.stored(), '--name', name])).toBe(`Created VM '${name}'\n`);
      expect(vmsIn(rig.vmstore).map(decodeName)).toEqual([name]);
      expect(await succeeded(rig, ['start', name, '--cmd', 'echo in'])).toBe('in\n');
      await succeeded(rig, ['rm', name]);
      expect(vmsIn(rig.vmstore)).toEqual([]);
    },
  );

  test('with many hyphens it is reported if it is too long', async () => {
    await using rig = new Rig();
    const { exitCode, stderr } = await rig.run(['create', rig.stored(), '--name', `a${'-'.repeat(100)}`]);
    expect(exitCode).not.toBe(0);
    expect(stderr.text).toContain('too long');
    expect(stderr.text).not.toContain('internal error');
  });

  test.for(['', '.transient'])('"%s" is no VM to remove', async (name) => {
    await using rig = new Rig();
    await created(rig);
    const before = storeFiles(rig.vmstore);
    const { exitCode, stderr } = await rig.run(['rm', name]);
    expect(exitCode).not.toBe(0);
    expect(stderr.text).not.toContain('internal error');
    expect(storeFiles(rig.vmstore)).toEqual(before);
  });
});
