import { describe, expect, test } from 'vitest';
import { parseDocument } from '../../src/config/document.ts';
import { imageOperand } from '../../src/cli/image-operand.ts';
import { resolveProject, resolveRun } from '../../src/config/resolve.ts';
import { environmentLayer, mergeLayers, type Environment } from '../../src/config/merge.ts';
import type { Transientfile } from '../../src/config/transientfile.ts';
import { checkTransientfile, selectVms } from '../../src/config/transientfile.ts';
import { unchangedFiles } from '../../src/config/protected-files.ts';
import type { VmSpec } from '../../src/config/vm-spec.ts';
import type { Layer } from '../../src/options/layer.ts';
import type { OptionValues } from '../../src/options/table.ts';
import { imageSpec } from '../../src/options/values/image-spec.ts';
import type { Problem, Result } from '../../src/problem.ts';
import { optionValuesOf } from '../rig/option-values.ts';

const HOME: Environment = { HOME: '/home/me' };

describe('layers', () => {
  test('a later scalar replaces an earlier one', () => {
    const { values } = mergeLayers([layer({ memory: '1G', cpus: 1 }), layer({ memory: '2G' })]);
    expect(values).toEqual({ memory: '2G', cpus: 1 });
  });

  test('a list grows', () => {
    const { values } = mergeLayers([
      layer({ 'ssh-option': ['A=1'] }),
      layer({ 'ssh-option': ['B=2', 'A=3'] }),
    ]);
    expect(values['ssh-option']).toEqual(['A=1', 'B=2', 'A=3']);
  });

  test('false replaces true', () => {
    expect(mergeLayers([layer({ 'ssh-console': true }), layer({ 'ssh-console': false })]).values).toEqual({
      'ssh-console': false,
    });
  });

  test('what was set is recorded, and where it was set last', () => {
    const merged = mergeLayers([
      layer({ memory: '1G' }, '/a', 'first'),
      layer({ memory: '2G' }, '/b', 'second'),
    ]);
    expect(merged.isSet('memory')).toBe(true);
    expect(merged.isSet('cpus')).toBe(false);
    expect(merged.where('memory')).toEqual({ kind: 'flag', flag: 'second' });
    expect(merged.where('cpus')).toBeUndefined();
  });

  test('a path is relative to where it was set', () => {
    const { values } = mergeLayers([
      layer(
        optionValuesOf({ 'image-backend': './images', 'extra-image': ['data,file=../data.qcow2'] }),
        '/project',
      ),
      layer(optionValuesOf({ 'extra-image': ['other,file=/abs.img', 'stored'] }), '/elsewhere'),
    ]);
    expect(values['image-backend']).toBe('/project/images');
    expect(values['extra-image']?.map(imageSpec.encode)).toEqual([
      'data,file=/data.qcow2',
      'other,file=/abs.img',
      'stored',
    ]);
  });

  test('layers themselves are left as they were', () => {
    const first = layer({ 'ssh-option': ['A=1'] });
    mergeLayers([first, layer({ 'ssh-option': ['B=2'] })]);
    expect(first.values).toEqual({ 'ssh-option': ['A=1'] });
  });
});

describe('the environment', () => {
  test('its variables are options', () => {
    const { values } = environmentLayer({ TRANSIENT_BACKEND: '/images', TRANSIENT_VMSTORE: '/vms' }, '/work');
    expect(values).toEqual({ 'image-backend': '/images', vmstore: '/vms' });
  });

  test('an empty one sets nothing', () => {
    expect(environmentLayer({ TRANSIENT_BACKEND: '' }, '/work').values).toEqual({});
  });
});

describe('one image', () => {
  test('with nothing set it is a console with the defaults', () => {
    expect(run('test')).toEqual({
      name: 'vm',
      instance: 'test',
      images: [{ name: 'test', backend: '/home/me/.local/share/transient/backend' }],
      connection: { kind: 'qemu-console' },
      machine: {
        program: 'qemu-system-x86_64',
        memory: '1G',
        cpus: 2,
        emulatedCpu: 'max',
        accel: 'auto',
        virtioScsi: true,
        qmpTimeout: 10,
        qemuArgs: [],
      },
      ending: { kind: 'orderly', timeout: 20 },
      dependsOn: [],
      networks: [],
      forwards: [],
      vmstore: '/home/me/.local/share/transient/vmstore',
      copies: { in: [], out: [], direct: false, builder: {} },
      shares: { sshfs: [], '9p': [], virtiofs: [], sftpServer: 'sftp-server', unchanged: [] },
    });
  });

  test('with a source, relative to the working directory', () => {
    expect(run('test,file=disk.img').images).toEqual([
      expect.objectContaining({ name: 'test', source: { protocol: 'file', location: '/work/disk.img' } }),
    ]);
  });

  test('one that cannot be is reported as the operand that it is', () => {
    const result = imageOperand({ operands: [',file=x'], workingDirectory: '/work' });
    expect(result).toMatchObject({ ok: false, problems: [{ where: { kind: 'flag', flag: 'IMAGE' } }] });
  });

  test.for([
    [{ 'ssh-console': true }, { kind: 'ssh-console', serial: false }],
    [{ 'ssh-with-serial': true }, { kind: 'ssh-console', serial: true }],
    [{ 'ssh-command': 'true' }, { kind: 'ssh-command', command: 'true', serial: false }],
    [
      { 'ssh-command': 'true', 'ssh-with-serial': true },
      { kind: 'ssh-command', command: 'true', serial: true },
    ],
  ] as const)('%o', ([options, connection]) => {
    expect(run('test', options)).toMatchObject({ connection, ssh: { user: 'vagrant', timeout: 90 } });
  });

  test('a guest of cloud-init has more time under emulation, unless the user chose its time', () => {
    const timesOf = (options: Partial<OptionValues>): unknown => {
      const { ssh } = run('test', { 'ssh-command': 'true', ...options });
      return [ssh?.timeout, ssh?.emulatedTimeout];
    };
    expect(timesOf({ 'cloud-init': true })).toEqual([90, 300]);
    expect(timesOf({ 'cloud-init': true, 'ssh-timeout': 60 })).toEqual([60, undefined]);
    expect(timesOf({})).toEqual([90, undefined]);
  });

  test('a port alone brings the card, not the session', () => {
    const spec = run('test', { 'ssh-port': 2222 });
    expect(spec).toMatchObject({ connection: { kind: 'qemu-console' }, ssh: { port: 2222 } });
  });

  test('memory as a number is what QEMU would read', () => {
    expect(run('test', optionValuesOf({ memory: 512 })).machine.memory).toBe('512');
  });

  test.for([
    [{}, 'at-once'],
    [{ 'shutdown-timeout': 5 }, 'orderly'],
    [{ 'qemu-args': ['-drive', 'file=/data.img'] }, 'orderly'],
    [{ 'qemu-args': ['-device', 'virtio-rng-pci'] }, 'at-once'],
    [{ 'qemu-args': ['-virtfs', 'local,path=/x'] }, 'orderly'],
  ] as const)('%o: it ends %s', ([options, kind]) => {
    expect(run('test', { 'ssh-command': 'true', ...options }).ending.kind).toBe(kind);
  });

  test('the data directory can be elsewhere', () => {
    const environment = { ...HOME, XDG_DATA_HOME: '/data' };
    expect(resolveRun({ name: 'test' }, [], environment, { instance: 'test' })).toMatchObject({
      value: { images: [{ backend: '/data/transient/backend' }] },
    });
  });
});

describe('a project', () => {
  test('the command line is over the VM, which is over the defaults', () => {
    const text = `
      [defaults]
      memory = "1G"
      cpus = 1
      accel = "tcg"
      [vms.a]
      image = "test"
      cpus = 3
      accel = "kvm"
    `;
    expect(only(project(text, [layer({ accel: 'auto' })])).machine).toMatchObject({
      memory: '1G',
      cpus: 3,
      accel: 'auto',
    });
  });

  test('lists of all three are joined in that order', () => {
    const text = `
      [defaults]
      qemu-args = ["-a"]
      [vms.a]
      image = "test"
      qemu-args = ["-b"]
    `;
    expect(only(project(text, [layer({ 'qemu-args': ['-c'] })])).machine.qemuArgs).toEqual([
      '-a',
      '-b',
      '-c',
    ]);
  });

  test('an image by its name in the file has its source, relative to the file', () => {
    const text = `
      [images.base]
      source = "file=./base.img"
      [vms.a]
      image = "base"
      extra-image = ["base", "data,file=data.img"]
    `;
    expect(only(project(text)).images.map(({ name, source }) => [name, source?.location])).toEqual([
      ['base', '/project/base.img'],
      ['base', '/project/base.img'],
      ['data', '/project/data.img'],
    ]);
  });

  test('alone, a VM without a connection has its console; among others it is a service', () => {
    const text = '[vms.a]\nimage = "test"\n[vms.b]\nimage = "test"\n';
    expect(value(project(text)).map(({ connection }) => connection.kind)).toEqual(['service', 'service']);
    expect(only(project(text, [], ['b'])).connection.kind).toBe('qemu-console');
  });

  test('a VM that runs is called after the project', () => {
    const text = '[project]\nname = "shop"\n[vms.a]\nimage = "test"\n';
    expect(only(project(text))).toMatchObject({ name: 'a', instance: 'shop-a' });
    expect(only(project('[vms.a]\nimage = "test"\n'))).toMatchObject({ instance: 'project-a' });
  });

  test('what a selected VM depends on is selected, in the order of the file', () => {
    const text = `
      [vms.c]
      image = "test"
      [vms.b]
      image = "test"
      depends-on = ["a"]
      [vms.a]
      image = "test"
    `;
    expect(value(project(text, [], ['b'])).map(({ name }) => name)).toEqual(['b', 'a']);
  });

  test('keys may have underscores', () => {
    expect(only(project('[vms.a]\nimage = "test"\nssh_command = "true"\n')).connection.kind).toBe(
      'ssh-command',
    );
  });

  test('VMs that share a port are reported', () => {
    const text = '[vms.a]\nimage = "test"\nssh-port = 2222\n[vms.b]\nimage = "test"\nssh-port = 2222\n';
    expect(problems(project(text)).map(({ message }) => message)).toEqual([
      'VMs "a" and "b" have the same ssh-port 2222',
    ]);
  });

  test('VMs that both need the terminal are reported, unless only one is selected', () => {
    const text = '[vms.a]\nimage = "test"\nssh-console = true\n[vms.b]\nimage = "test"\nssh-console = true\n';
    expect(problems(project(text)).map(({ message }) => message)).toEqual([
      'VMs "a" and "b" both need the terminal',
    ]);
    expect(project(text, [], ['a']).ok).toBe(true);
  });
});

describe('what decides what runs on the host', () => {
  const files = (text: string): string[] =>
    unchangedFiles(
      checked(text),
      ['/project/Transientfile.toml'],
      [layer({ 'ssh-bin-name': '/opt/ssh' })],
      '/work',
    );

  test('are the file itself and the files that any of its VMs has the host run', () => {
    const text = `
[defaults]
image = "test"
qemu-bin-name = "./qemu"
[vms.a]
sftp-bin-name = "bin/sftp"
builder-kernel = "./vmlinuz"
[vms.b]
builder-initrd = "/boot/initrd"
ssh-option = ["ProxyCommand=/bin/sh -c '/etc/passwd'", "RekeyLimit=1G/1h", "User=x"]
`;
    expect(files(text)).toEqual([
      ...['/project/Transientfile.toml', '/bin/sh', '/boot/initrd', '/etc/passwd', '/opt/ssh'],
      ...['/project/vmlinuz', '/work/bin/sftp', '/work/qemu'],
    ]);
  });

  test('are no programs that are looked for on PATH', () => {
    expect(files('[vms.a]\nimage = "test"\nqemu-bin-name = "my-qemu"\n')).toEqual([
      ...['/project/Transientfile.toml', '/opt/ssh'],
    ]);
  });

  test('are passed to those that share a writable folder', () => {
    const text = `
[defaults]
image = "test"
[vms.a]
shared-folder = ["./src:/src"]
[vms.b]
shared-folder = [{ host = "./src", guest = "/src", readonly = true }]
`;
    const file = checked(text);
    const specs = value(resolveProject(file, file.vms, [], HOME, new Map(), { unchanged: ['/x'] }));
    expect(specs.map(({ shares }) => shares.unchanged)).toEqual([['/x'], []]);
  });
});

function checked(text: string): Transientfile {
  return value(checkTransientfile(value(parseDocument(text, 'Transientfile.toml')), '/project'));
}

function layer(values: Partial<OptionValues>, base = '/work', flag = 'flag'): Layer {
  return { values, where: () => ({ kind: 'flag', flag }), base };
}

function run(image: string, options: Partial<OptionValues> = {}): VmSpec {
  const operand = value(imageOperand({ operands: [image], workingDirectory: '/work' }));
  return value(resolveRun(operand, [layer(options)], HOME, { instance: 'test' }));
}

/** The VMs of a Transientfile in `/project`. */
function project(
  text: string,
  upper: readonly Layer[] = [],
  names: readonly string[] = [],
): Result<VmSpec[]> {
  const file = checked(text);
  return resolveProject(file, value(selectVms(file, names)), upper, HOME);
}

function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'));
  return result.value;
}

function only(result: Result<VmSpec[]>): VmSpec {
  const [spec] = value(result);
  if (spec === undefined) throw new Error('there is a VM');
  return spec;
}

function problems(result: Result<unknown>): readonly Problem[] {
  return result.ok ? [] : result.problems;
}
