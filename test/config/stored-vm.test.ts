import fc from 'fast-check';
import { parse } from 'smol-toml';
import { describe, expect, test } from 'vitest';
import type { StoredTexts, StoredVm } from '../../src/config/stored-vm.ts';
import { readStoredVm, storedTexts } from '../../src/config/stored-vm.ts';
import type { ImageRef } from '../../src/options/values/image-spec.ts';
import { imageSpec } from '../../src/options/values/image-spec.ts';
import type { OptionName, OptionValues } from '../../src/options/table.ts';
import { OPTION_NAMES, OPTION_TABLE } from '../../src/options/table.ts';
import type { Problem, Result } from '../../src/problem.ts';
import type { WrittenOptions } from '../rig/option-values.ts';
import { optionValuesOf } from '../rig/option-values.ts';
import { PYTHONS_DEFAULTS } from '../rig/python-config.ts';

/** Configuration keys of the Python transient 0.25. */
const PYTHONS = [
  'name',
  'primary_image',
  'extra_image',
  'no_virtio_scsi',
  'qemu_args',
  'qemu_bin_name',
  'qmp_timeout',
  'shutdown_timeout',
  'ssh_bin_name',
  'copy_timeout',
  'direct_copy',
  'rsync',
  'ssh_command',
  'ssh_console',
  'ssh_net_driver',
  'ssh_option',
  'ssh_port',
  'ssh_timeout',
  'ssh_user',
  'ssh_with_serial',
  'shared_folder',
  'sftp_bin_name',
];

const IMAGE: ImageRef = { name: 'test' };

/** A value for each option that is not its default, as it is written. */
const UNUSUAL: Readonly<Record<OptionName, unknown>> = {
  name: 'never stored',
  'image-backend': '/never/stored',
  vmstore: '/never/stored',
  verbose: 2,
  config: 'never.stored',
  'ssh-console': true,
  'ssh-with-serial': true,
  'ssh-command': 'uname -a',
  'ssh-user': 'root',
  'ssh-bin-name': 'my-ssh',
  'ssh-timeout': 7.5,
  'ssh-option': ['A=1', 'B=2'],
  'ssh-port': 2222,
  'ssh-net-driver': 'e1000',
  'no-virtio-scsi': true,
  'shutdown-timeout': 0,
  'qemu-bin-name': 'qemu-system-aarch64',
  'qmp-timeout': 3,
  'extra-image': ['data,file=/data.qcow2'],
  'shared-folder': ['/src:/srv', { host: '/a', guest: '/b', readonly: true, via: '9p' }],
  'sftp-bin-name': 'my-sftp',
  'copy-in-before': ['/never:/stored'],
  'copy-out-after': ['/never:/stored'],
  'copy-timeout': 60,
  'direct-copy': true,
  rsync: true,
  'builder-kernel': '/vmlinuz',
  'builder-initrd': '/initrd',
  'insert-key': false,
  'cloud-init': true,
  'user-data': '/user-data.yaml',
  'wait-for': 'cloud-init',
  'cloud-init-timeout': 600,
  'ready-command': 'true',
  'ready-timeout': 5,
  memory: '2G',
  cpus: 8,
  cpu: 'Haswell',
  accel: 'tcg',
  forward: ['8080:80'],
  'qemu-args': ['-device', 'virtio-rng-pci'],
};

const OF_THE_COMMAND: readonly OptionName[] = [
  ...(['name', 'image-backend', 'vmstore', 'verbose', 'config'] as const),
  ...(['copy-in-before', 'copy-out-after', 'ready-command', 'ready-timeout'] as const),
];

const STORED = OPTION_NAMES.filter((name) => !OF_THE_COMMAND.includes(name));

describe('what is written', () => {
  test('the first text has only what the Python knows, in its spelling', () => {
    const { config } = storedTexts('my-vm', IMAGE, optionValuesOf(UNUSUAL));
    const keys = Object.keys(parse(config));
    expect(keys.toSorted()).toEqual(PYTHONS.toSorted());
    expect(parse(config)).toMatchObject({ name: 'my-vm', primary_image: 'test', ssh_option: ['A=1', 'B=2'] });
  });

  test('the second has what the Python does not know', () => {
    const { ours } = storedTexts('my-vm', IMAGE, optionValuesOf(UNUSUAL));
    const builder = { 'builder-kernel': '/vmlinuz', 'builder-initrd': '/initrd' };
    expect(parse(ours)).toMatchObject({
      ...builder,
      'shared-folder': UNUSUAL['shared-folder'],
      forward: ['8080:80'],
      memory: '2G',
      cpus: 8,
      cpu: 'Haswell',
      accel: 'tcg',
      'insert-key': false,
    });
    expect(Object.keys(parse(ours))).toHaveLength(14);
  });

  test('where nothing was set the first has the name and the image, the second nothing', () => {
    const { config, ours } = storedTexts(
      'my-vm',
      { name: 'test', source: { protocol: 'file', location: '/a b.qcow2' } },
      {},
    );
    expect(config).toBe('name = "my-vm"\nprimary_image = "test,file=/a b.qcow2"\n');
    expect(ours).toMatch(/^of = "\w+"\n$/);
  });

  test('a default of the Python that was set is in the second, since it sets nothing in the first', () => {
    const values = Object.fromEntries(
      STORED.flatMap((name) => {
        const { default: standard } = OPTION_TABLE[name];
        return standard === undefined ? [] : [[name, standard]];
      }),
    ) as Partial<OptionValues>;
    const { config, ours } = storedTexts('x', IMAGE, values);
    expect(Object.keys(parse(config))).toEqual(['name', 'primary_image']);
    expect(parse(ours)).toMatchObject(values);
  });
});

describe('what was written is read again', () => {
  test('every option', async () => {
    const { primaryImage, layer } = await reread('x', IMAGE, optionValuesOf(UNUSUAL));
    expect(primaryImage).toEqual(IMAGE);
    expect(layer.values).toEqual(optionValuesOf(only(UNUSUAL, STORED)));
  });

  test('also its default, where that was set', async () => {
    const values = { 'ssh-console': false, 'ssh-timeout': 90, 'ssh-user': 'vagrant', memory: '1G' } as const;
    expect((await reread('x', IMAGE, values)).layer.values).toEqual(values);
  });

  test('whatever texts there are in it', async () => {
    const text = fc.string({ unit: 'binary', minLength: 1 }).filter((value) => !value.includes('\0'));
    const texts = fc.array(text.filter(isTextForToml), { minLength: 1 });
    const arbitraryValues = fc.record(
      {
        'ssh-command': text.filter(isTextForToml),
        'ssh-option': texts,
        'qemu-args': texts,
        'ssh-timeout': fc.double({ min: 0, max: 86_400, noNaN: true }),
        'ssh-port': fc.integer({ min: 1, max: 65_535 }),
        'no-virtio-scsi': fc.boolean(),
        memory: fc.oneof(fc.constant('512M'), fc.integer({ min: 1, max: 2 ** 40 })),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(arbitraryValues, async (values) => {
        const given = optionValuesOf(values);
        const found = (await reread('x', IMAGE, given)).layer.values;
        expect(found).toEqual(given);
      }),
      { numRuns: 300 },
    );
  });

  test('what was typed at the creation by "up" is distinguished from the rest', async () => {
    const values = { memory: '2G', 'ssh-user': 'root', 'ssh-option': ['A=1', 'B=2'] } as const;
    const typed = { memory: '2G', 'ssh-option': ['B=2'], vmstore: '/never/stored' } as const;
    const { layer, typed: found } = await reread('x', IMAGE, values, typed);
    expect(layer.values).toEqual(values);
    expect(found?.values).toEqual({ memory: '2G', 'ssh-option': ['B=2'] });
  });

  test('also that nothing was typed', async () => {
    expect((await reread('x', IMAGE, {}, {})).typed?.values).toEqual({});
    expect((await reread('x', IMAGE, {})).typed).toBeUndefined();
  });
});

describe('what the Python wrote', () => {
  test('a default of its own was not set', async () => {
    const { layer } = value(await read(PYTHONS_DEFAULTS));
    expect(layer.values).toEqual({});
  });

  test.for([
    ['ssh_timeout = 90.0', {}],
    ['ssh_timeout = 91', { 'ssh-timeout': 91 }],
    ['ssh_console = true', { 'ssh-console': true }],
    ['extra_image = ["data"]', { 'extra-image': ['data'] }],
    ['ssh-user = "root"', { 'ssh-user': 'root' }],
  ] as const)('%s', async ([line, values]) => {
    expect(value(await read(`primary_image = "test"\n${line}\n`)).layer.values).toEqual(
      optionValuesOf(values),
    );
  });

  test.for([
    'verbose = 2',
    'vmstore = "/x"',
    'image_backend = "/x"',
    'image_frontend = "/x"',
    'config = ["a"]',
  ])('%s says nothing of the VM', async (line) => {
    expect(value(await read(`primary_image = "test"\n${line}\n`)).layer.values).toEqual({});
  });

  test('what is shared and copied in each of its sessions stays so', async () => {
    const text = 'shared_folder = ["src:b"]\ncopy_in_before = ["a:/b"]\ncopy_out_after = ["/b:a"]\n';
    expect(value(await read(`primary_image = "test"\n${text}`)).layer.values).toEqual(
      optionValuesOf({
        'shared-folder': ['src:b'],
        'copy-in-before': ['a:/b'],
        'copy-out-after': ['/b:a'],
      }),
    );
  });
});

describe('a text that was spoilt', () => {
  test('all that is wrong is reported at once, each with its line', async () => {
    const text = 'primary_image = ",x"\nmemry = "1G"\nssh_port = 0\nshared_folder = ["a"]\n';
    const lines = problems(await read(text)).map(
      ({ where }) => where?.kind === 'file' && where.position?.line,
    );
    expect(lines.toSorted()).toEqual([1, 2, 3, 4]);
  });

  test('one that is no TOML is reported with its line', async () => {
    expect(problems(await read('primary_image = "test"\nssh_port = \n'))).toMatchObject([
      { reason: 'syntax', where: { file: 'config', position: { line: 2 } } },
    ]);
  });

  test('one without its image is reported', async () => {
    const [problem] = problems(await read('name = "x"\n'));
    expect(problem).toMatchObject({ message: expect.stringContaining('primary_image') as string });
  });

  test('an empty one, too', async () => {
    expect(problems(await read(''))).toHaveLength(1);
  });

  test.for(['memory = ', 'memory = []', 'typed = 5', '[typed]\nmemory = []', '\uFEFF'])(
    'what only we read does no harm: %j',
    async (ours) => {
      const { layer, typed } = value(await read('primary_image = "test"\nssh_user = "root"\n', ours));
      expect(layer.values).toEqual({ 'ssh-user': 'root' });
      expect(typed).toBeUndefined();
    },
  );

  test('what only we read may hold keys of a later version', async () => {
    const { config, ours } = storedTexts('x', IMAGE, { memory: '2G' });
    const { layer } = value(await read(config, `${ours}from-the-future = 1\n`));
    expect(layer.values).toEqual({ memory: '2G' });
  });

  test('what only we read is of one configuration, not of another that took its place', async () => {
    const { ours } = storedTexts('x', IMAGE, { memory: '2G' });
    expect(value(await read('name = "x"\nprimary_image = "other"\n', ours)).layer.values).toEqual({});
  });
});

test('paths in it were absolute, and are not moved', async () => {
  const { layer } = await reread(
    'x',
    IMAGE,
    optionValuesOf({ 'extra-image': ['data,file=/abs/data.qcow2'] }),
  );
  expect(layer.base).toBe('/store/x');
  expect(layer.values['extra-image']?.map(imageSpec.encode)).toEqual(['data,file=/abs/data.qcow2']);
});

async function read(config: string, ours = ''): Promise<Result<StoredVm>> {
  const texts: StoredTexts = { config, ours };
  return readStoredVm(texts, 'config', '/store/x');
}

async function reread(...args: Parameters<typeof storedTexts>): Promise<StoredVm> {
  const { config, ours } = storedTexts(...args);
  return value(await read(config, ours));
}

function only(values: WrittenOptions, names: readonly OptionName[]): WrittenOptions {
  return Object.fromEntries(names.map((name) => [name, values[name]]));
}

/** No TOML text holds half of a character. */
function isTextForToml(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'));
  return result.value;
}

function problems(result: Result<unknown>): readonly Problem[] {
  return result.ok ? [] : result.problems;
}
