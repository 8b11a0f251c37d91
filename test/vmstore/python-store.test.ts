import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { describe, expect, test } from 'vitest';
import { disk } from '../rig/disks.ts';
import { Program } from '../rig/program.ts';
import { Rig } from '../rig/rig.ts';
import { listed, unfinishedVms } from './store.ts';

const IMAGE = 'generic%2Falpine38%3Av3.0.2';

/** Every key that a configuration of the Python transient 0.25 can have. */
const PYTHONS_KEYS = [
  ...['extra_image', 'image_backend', 'name', 'no_virtio_scsi', 'primary_image', 'qemu_args'],
  ...['qemu_bin_name', 'qmp_timeout', 'sftp_bin_name', 'shared_folder', 'shutdown_timeout'],
  ...['ssh_bin_name', 'ssh_command', 'ssh_console', 'ssh_net_driver', 'ssh_option', 'ssh_port'],
  ...['ssh_timeout', 'ssh_user', 'ssh_with_serial', 'verbose', 'vmstore'],
];

describe('a VM that the Python created', () => {
  test('is listed, without its dot-directories', async () => {
    await using rig = new Rig();
    pythonVm(rig);
    mkdirSync(join(rig.vmstore, '.tmpx8k2'));
    const fine = [{ name: 'my-vm', images: ['generic/alpine38:v3.0.2'], status: 'offline', stored: true }];
    expect(await listed(rig)).toMatchObject(fine);
  });

  test('starts from its disk, with what was set at its creation', async () => {
    await using rig = new Rig();
    const directory = pythonVm(rig, { ssh_command: 'echo kept; exit 3', qemu_args: ['-device', 'x'] });
    const { exitCode, stdout } = await rig.run(['start', 'my-vm']);
    expect([exitCode, stdout.text]).toEqual([3, 'kept\n']);
    const [qemu] = rig.entries('start');
    expect(qemu?.argv?.join(' ')).toContain(`file=${join(directory, `my%2Dvm-0-${IMAGE}`)}`);
    expect(qemu?.argv).toEqual(expect.arrayContaining(['-device', 'x']));
    expect(readdirSync(directory).sort()).toEqual(['config', `my%2Dvm-0-${IMAGE}`]);
  });

  test('starts with a config file that overrides its stored options', async () => {
    await using rig = new Rig();
    pythonVm(rig, { ssh_command: 'echo kept' });
    rig.write({ 'vm.toml': 'ssh_command = "echo new"\nmemory = "300M"\n' });
    const { exitCode, stdout } = await rig.run(['start', 'my-vm', '--config', 'vm.toml']);
    expect([exitCode, stdout.text]).toEqual([0, 'new\n']);
    expect(rig.entries('start')[0]?.argv).toContain('300M');
  });

  test('is run by its name', async () => {
    await using rig = new Rig();
    pythonVm(rig);
    const args = ['run', 'generic/alpine38:v3.0.2', '--name', 'my-vm', '--cmd', 'echo here'];
    const { exitCode, stdout } = await rig.run(args);
    expect([exitCode, stdout.text]).toEqual([0, 'here\n']);
  });

  test('is committed whole, also over an image of no named format', async () => {
    await using rig = new Rig();
    const directory = pythonVm(rig);
    const overlay = join(directory, `my%2Dvm-0-${IMAGE}`);
    expect(info(overlay)).not.toHaveProperty('backing-filename-format');
    execFileSync('qemu-io', ['-c', 'write -q -P 7 4k 8k', overlay]);
    expect((await rig.run(['commit', 'my-vm', 'flat'])).exitCode).toBe(0);
    const flat = join(rig.backend, 'flat');
    expect(info(flat)).not.toHaveProperty('backing-filename');
    execFileSync('qemu-img', ['compare', '-q', '-f', 'qcow2', '-F', 'qcow2', overlay, flat]);
  });

  test('keeps its image from being removed', async () => {
    await using rig = new Rig();
    pythonVm(rig);
    const { exitCode, stderr } = await rig.run(['image', 'rm', 'generic/alpine38:v3.0.2']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain("Backend 'generic/alpine38:v3.0.2' is in use by 'my-vm'");
  });

  test('is removed', async () => {
    await using rig = new Rig();
    pythonVm(rig);
    expect((await rig.run(['rm', 'my-vm'])).exitCode).toBe(0);
    expect(readdirSync(rig.vmstore)).toEqual(['.transient']);
    expect(unfinishedVms(rig)).toEqual([]);
  });

  test('shares the folders that it was created with', async () => {
    await using rig = new Rig();
    pythonVm(rig, { shared_folder: ['/srv:/shared'] });
    const { stdout } = await rig.run(['start', 'my-vm', '--cmd', 'true', '--plan']);
    expect(stdout.text).toContain('Mount /srv at /shared');
  });
});

test('a VM of ours has a configuration of which the Python knows every key', async () => {
  await using rig = new Rig();
  rig.stored();
  rig.stored('data');
  rig.write({ 'vm.toml': 'ssh-option = ["A=1"]\nmemory = "2G"\n' });
  const { exitCode } = await rig.run([
    ...['create', 'test', '--name', 'my-vm', '--extra-image', 'data', '--config', 'vm.toml', '-v'],
    ...['--image-backend', rig.backend, '--vmstore', rig.vmstore, '--ssh', '--sshs', '--cmd', 'a "b"'],
    ...['--ssh-user', 'me', '--ssh-bin-name', 'ssh2', '--ssh-timeout', '91', '-o', 'B=2'],
    ...['--ssh-port', '2222', '--ssh-net-driver', 'e1000', '--no-virtio-scsi', '--qmp-timeout', '11'],
    ...['--shutdown-timeout', '21', '--qemu-bin-name', 'qemu', '--cpus', '3', '--accel', 'tcg'],
    ...['--', '-device', 'virtio-rng-pci'],
  ]);
  expect(exitCode).toBe(0);
  const config = parse(readFileSync(join(rig.vmstore, 'my%2Dvm', 'config'), 'utf8'));
  expect(Object.keys(config).filter((key) => !PYTHONS_KEYS.includes(key))).toEqual([]);
  expect(config).toEqual({
    name: 'my-vm',
    primary_image: 'test',
    extra_image: ['data'],
    no_virtio_scsi: true,
    qemu_args: ['-device', 'virtio-rng-pci'],
    qemu_bin_name: 'qemu',
    qmp_timeout: 11,
    shutdown_timeout: 21,
    ssh_bin_name: 'ssh2',
    ssh_command: 'a "b"',
    ssh_console: true,
    ssh_net_driver: 'e1000',
    ssh_option: ['A=1', 'B=2'],
    ssh_port: 2222,
    ssh_timeout: 91,
    ssh_user: 'me',
    ssh_with_serial: true,
  });
  // the Python takes every other file for a disk
  const files = ['config', 'my%2Dvm-0-test', 'my%2Dvm-1-data'];
  expect(readdirSync(join(rig.vmstore, 'my%2Dvm')).sort()).toEqual(files);
});

describe('a lock as the Python takes it', () => {
  test.for([
    ['start', 'my-vm', '--cmd', 'true'],
    ['run', 'generic/alpine38:v3.0.2', '--name', 'my-vm', '--cmd', 'true'],
    ['commit', 'my-vm', 'copy'],
    ['rm', 'my-vm'],
    ['rm', '-f', 'my-vm'],
  ])('keeps %s %s %s from the VM', async (args) => {
    await using rig = new Rig();
    const directory = pythonVm(rig);
    const holder = await hold(rig, directory);
    const { exitCode, stderr } = await rig.run(args);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain("VM 'my-vm' is in use by another process");
    expect(stderr.text.match(/error:/g)).toHaveLength(1);
    await letGo(holder);
    expect((await rig.run(args)).exitCode).toBe(0);
  });

  test('is seen by ps, until it is released', async () => {
    await using rig = new Rig();
    const holder = await hold(rig, pythonVm(rig));
    expect((await rig.run(['ps', '-a'])).stdout.text).toMatch(/^my-vm +\S+ +In use /m);
    expect((await rig.run(['ps'])).stdout.text).not.toContain('my-vm');
    await letGo(holder);
    expect((await rig.run(['ps', '-a'])).stdout.text).toMatch(/^my-vm +\S+ +Offline /m);
  });

  test('is refused while we run the VM, and had when we do not', async () => {
    await using rig = new Rig();
    const config = join(pythonVm(rig), 'config');
    const tryLock = async (): Promise<number | null> =>
      (await rig.command(['flock', '-n', config, 'true'])).exitCode;
    const session = rig.start(['start', 'my-vm', '--cmd', 'cat']);
    await rig.happened('command');
    expect(await tryLock()).toBe(1);
    session.write();
    expect((await session.ended).exitCode).toBe(0);
    expect(await tryLock()).toBe(0);
  });
});

/**
 * Creates the files that the Python transient 0.25 leaves of `create generic/alpine38:v3.0.2 --name my-vm`; returns the
 * VM's directory.
 */
function pythonVm(rig: Rig, settings: Readonly<Record<string, string | readonly string[]>> = {}): string {
  const backing = join(rig.backend, IMAGE);
  writeFileSync(backing, disk('qcow2'));
  chmodSync(backing, 0o444);
  const directory = join(rig.vmstore, 'my%2Dvm');
  mkdirSync(directory, { recursive: true });
  const config = {
    ...{ extra_image: [], image_backend: rig.backend, name: 'my-vm' },
    ...{ primary_image: 'generic/alpine38:v3.0.2', qemu_args: [], qemu_bin_name: 'qemu-system-x86_64' },
    ...{ qmp_timeout: 10, sftp_bin_name: 'sftp-server', shared_folder: [], shutdown_timeout: 20 },
    ...{ ssh_bin_name: 'ssh', ssh_net_driver: 'virtio-net-pci', ssh_option: [], ssh_timeout: 90 },
    ...{ ssh_user: 'vagrant', verbose: 0, vmstore: rig.vmstore },
    ...settings,
  };
  const lines = Object.entries(config).map(([key, value]) => `${key} = ${pythonToml(value)}\n`);
  writeFileSync(join(directory, 'config'), lines.sort().join(''));
  const overlay = join(directory, `my%2Dvm-0-${IMAGE}`);
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', backing, '-F', 'qcow2', overlay]);
  forgetBackingFormat(overlay);
  return directory;
}

/** A value as the Python's package `toml` writes it. */
function pythonToml(value: string | number | readonly string[]): string {
  if (!Array.isArray(value) || value.length === 0) return JSON.stringify(value);
  return `[ ${value.map((item) => `${JSON.stringify(item)},`).join(' ')}]`;
}

/** As an older qemu-img made it, which was not told the format: the mark of that header extension becomes one that says nothing. */
function forgetBackingFormat(path: string): void {
  const bytes = readFileSync(path);
  const mark = bytes.indexOf(Buffer.from('e2792aca', 'hex'));
  expect(mark).toBeGreaterThan(0);
  bytes.writeUInt32BE(0x0badcafe, mark);
  writeFileSync(path, bytes);
}

function info(path: string): object {
  return JSON.parse(execFileSync('qemu-img', ['info', '--output=json', path]).toString()) as object;
}

/** Another program that has the lock of a VM. */
async function hold(rig: Rig, directory: string): Promise<Program> {
  const command = ['flock', join(directory, 'config'), 'sh', '-c', 'echo held; cat'];
  const holder = new Program(command, { cwd: rig.work, env: rig.environment });
  await holder.waitFor(/held/, 'stdout');
  return holder;
}

async function letGo(holder: Program): Promise<void> {
  holder.write();
  await holder.ended;
}
