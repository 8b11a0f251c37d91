import { describe, expect, test } from 'vitest';
import type { VmSpec } from '../../src/config/vm-spec.ts';
import { HoldingBack, holdBack } from '../../src/plan/pending-restart.ts';
import type { HostKey } from '../../src/plan/host-use.ts';
import type { Wanted } from '../../src/plan/project.ts';
import { wantedOf } from '../../src/plan/project.ts';
import { SERVICE, SSH, command, vm } from './specs.ts';

const SHARES = { sshfs: [], '9p': [], virtiofs: [], sftpServer: 'sftp-server', unchanged: [] };
const folder = (host: string, readonly = false): VmSpec['shares'] => ({
  ...SHARES,
  sshfs: [{ host, guest: '/srv', readonly }],
});
const copies = (more: Partial<VmSpec['copies']>): VmSpec['copies'] => ({
  ...{ in: [], out: [], direct: true, builder: {} },
  ...more,
});
const forward = (address: string): VmSpec['forwards'] => [
  { address, host: 8080, guest: 80, protocol: 'tcp' },
];
const image = (location: string): VmSpec['images'] => [
  { name: 'test', backend: '/backend', source: { protocol: 'file', location } },
];

const plain = vm('a', SERVICE);
const { machine } = plain;
/** A program of the project instead of QEMU. */
const OWN_QEMU = { machine: { ...machine, program: './x' } };

/** Difference from a plain VM, and its key. */
const HELD: readonly (readonly [HostKey, Partial<VmSpec>])[] = [
  ['qemu-bin-name', OWN_QEMU],
  ['qemu-args', { machine: { ...machine, qemuArgs: ['-virtfs', 'x'] } }],
  ['ssh-bin-name', { ssh: { ...SSH, program: './x' } }],
  ['ssh-option', { ssh: { ...SSH, options: ['ProxyCommand=x'] } }],
  ['shared-folder', { shares: folder('/home') }],
  ['builder-kernel', { copies: copies({ builder: { kernel: '/x' } }) }],
  ['builder-initrd', { copies: copies({ builder: { initrd: '/x' } }) }],
  ['forward', { forwards: forward('0.0.0.0') }],
  ['copy-in-before', { copies: copies({ in: [{ host: '/etc/shadow', guest: '/x', rsync: false }] }) }],
  ['copy-out-after', { copies: copies({ out: [{ host: '/etc/cron.d', guest: '/x', rsync: false }] }) }],
  ['image', { images: image('/dev/sda') }],
  ['image-backend', { images: [{ name: 'test', backend: '/elsewhere' }] }],
  ['vmstore', { vmstore: '/elsewhere' }],
];

describe('what is not taken up', () => {
  test.for(HELD)('%s of a VM that is there, and of one that is new', ([key, more]) => {
    const result = settle([{ ...plain, ...more }], [plain]);
    expect(result).toEqual({ vms: [plain], held: [{ vm: 'a', keys: [key] }] });
    const added = settle([plain, { ...plain, ...more, name: 'b' }], [plain]);
    expect(added).toEqual({ vms: [plain], held: [{ vm: 'b', keys: [key] }] });
  });

  test('another SFTP server for folders that are there', () => {
    const one = { ...plain, shares: folder('/src') };
    const other = { ...plain, shares: { ...folder('/src'), sftpServer: './x' } };
    expect(settle([other], [one]).held).toEqual([{ vm: 'a', keys: ['sftp-bin-name'] }]);
  });

  test('a folder that was to be read, to be written, or in another way', () => {
    const one = { ...plain, shares: folder('/src', true) };
    for (const shares of [folder('/src'), { ...SHARES, '9p': folder('/src', true).sshfs }])
      expect(settle([{ ...plain, shares }], [one]).held).toEqual([{ vm: 'a', keys: ['shared-folder'] }]);
  });

  test('arguments that are left out, since they may have kept something closed', () => {
    const one = { ...plain, machine: { ...machine, qemuArgs: ['-nic', 'none'] } };
    expect(settle([plain], [one]).held).toEqual([{ vm: 'a', keys: ['qemu-args'] }]);
  });

  test('anything else of such a VM, with all keys told', () => {
    const changed = {
      ...plain,
      ...OWN_QEMU,
      forwards: forward('0.0.0.0'),
      readiness: { command: 'x', timeout: 1 },
    };
    expect(settle([changed], [plain])).toEqual({
      vms: [plain],
      held: [{ vm: 'a', keys: ['qemu-bin-name', 'forward'] }],
    });
  });

  test('what waits for a new VM that does not come', () => {
    const b = { ...plain, name: 'b', ...OWN_QEMU };
    const after = (name: string, on: string): VmSpec => ({
      ...plain,
      name,
      dependsOn: [{ vm: on, until: 'ready' }],
    });
    expect(settle([after('a', 'c'), b, after('c', 'b')], [plain])).toEqual({
      vms: [plain],
      held: [
        { vm: 'b', keys: ['qemu-bin-name'] },
        { vm: 'c', keys: ['depends-on'] },
        { vm: 'a', keys: ['depends-on'] },
      ],
    });
  });
});

describe('what is taken up', () => {
  test('what uses no more of the host than before', () => {
    const one = {
      ...plain,
      shares: folder('/src'),
      forwards: forward('0.0.0.0'),
      copies: copies({ in: [{ host: '/conf', guest: '/a', rsync: false }] }),
    };
    const less = {
      ...vm('a', command('other')),
      machine: { ...machine, memory: '2G', cpus: 4 },
      shares: folder('/src', true),
      copies: copies({ in: [{ host: '/conf', guest: '/b', rsync: true }] }),
      forwards: forward('127.0.0.1'),
    };
    expect(settle([less], [one])).toEqual({ vms: [less], held: [] });
  });

  test('a new VM that has no more than all others have, and an image that one of them has', () => {
    const all = { machine: { ...machine, program: '/opt/qemu' }, shares: folder('/src') };
    const one = { ...plain, ...all, images: image('/base') };
    const open = { ...plain, ...all, name: 'b', forwards: forward('0.0.0.0') };
    const begun = [one, open];
    const added = { ...one, name: 'c' };
    expect(settle([...begun, added, { ...plain, name: 'd' }], begun).held).toEqual([]);
    expect(settle([...begun, { ...open, name: 'c' }], begun).held).toEqual([{ vm: 'c', keys: ['forward'] }]);
  });

  test('what was there when all began, once more', () => {
    const folders = { ...plain, shares: folder('/src') };
    expect(settle([folders], [folders], [plain])).toEqual({ vms: [folders], held: [] });
  });

  test('other files that no guest may change, with the next change', () => {
    const unchanged = (names: readonly string[], more: Partial<VmSpec> = {}): VmSpec => ({
      ...plain,
      shares: { ...folder('/src'), unchanged: names },
      ...more,
    });
    const [one, other] = [unchanged(['/a']), unchanged(['/a', '/b'])];
    expect(settle([other], [one]).vms).toEqual([one]);
    const bigger = { ...other, machine: { ...machine, memory: '2G' } };
    expect(settle([bigger], [one]).vms).toEqual([bigger]);
  });
});

test('each is reported once, until it is otherwise', () => {
  const changed = wantedOf({ ...plain, ...OWN_QEMU });
  const holding = new HoldingBack([wantedOf(plain)]);
  const news = (wanted: Wanted): readonly string[] => holding.settle([wanted], []).news;
  expect(news(changed)).toEqual(['a: restart up to use the new qemu-bin-name']);
  expect(news(changed)).toEqual([]);
  expect(news(wantedOf(plain))).toEqual([]);
  expect(news(changed)).toHaveLength(1);
});

/** Result for a file, given the original one and the running VMs. */
function settle(
  wanted: readonly VmSpec[],
  begun: readonly VmSpec[],
  taken: readonly VmSpec[] = begun,
): { vms: VmSpec[]; held: unknown } {
  const running = new Map(taken.map((spec) => [spec.name, wantedOf(spec)]));
  const settled = holdBack(wanted.map(wantedOf), begun.map(wantedOf), running);
  return { vms: settled.wanted.map(({ spec }) => spec), held: settled.held };
}
