import { describe, expect, test } from 'vitest';
import { machineOf } from '../../src/config/machine.ts';
import { mergeLayers } from '../../src/config/merge.ts';
import type { MachineSpec } from '../../src/config/machine.ts';
import { guestArchitecture, qemuArguments, type QemuFacts } from '../../src/qemu/args.ts';

describe('the whole command line', () => {
  test('a VM that is reached over ssh', () => {
    expect(lines(facts())).toEqual([
      '-name guest=test',
      '-accel tcg,thread=multi',
      '-cpu max',
      '-m 1G',
      '-smp 2',
      '-snapshot',
      '-device virtio-scsi-pci,id=scsi',
      '-drive file=/backend/test,format=qcow2,if=none,id=disk0',
      '-device scsi-hd,drive=disk0,bus=scsi.0,bootindex=0',
      '-netdev user,id=ssh,hostfwd=tcp:127.0.0.1:0-:22',
      '-device virtio-net-pci,id=ssh-card,netdev=ssh,romfile=',
      '-display none',
      '-chardev null,id=console,logfile=/run/serial.log,logappend=on',
      '-serial chardev:console',
      '-monitor none',
      '-chardev socket,id=qmp,fd=3',
      '-mon chardev=qmp,mode=control',
    ]);
  });

  test("QEMU's own console, without a network card", () => {
    const { name, machine: spec, disks, snapshot } = facts();
    const serial = { log: '/run/serial.log', onTerminal: true, display: false };
    expect(lines({ name, machine: spec, disks, snapshot, serial, accel: 'kvm', extras: false })).toEqual([
      '-name guest=test',
      '-accel kvm',
      '-cpu host',
      '-m 1G',
      '-smp 2',
      '-snapshot',
      '-device virtio-scsi-pci,id=scsi',
      '-drive file=/backend/test,format=qcow2,if=none,id=disk0',
      '-device scsi-hd,drive=disk0,bus=scsi.0,bootindex=0',
      '-nographic',
      '-chardev stdio,id=console,mux=on,signal=off,logfile=/run/serial.log,logappend=on',
      '-serial chardev:console',
      '-mon chardev=console,mode=readline',
      '-chardev socket,id=qmp,fd=3',
      '-mon chardev=qmp,mode=control',
    ]);
  });
});

describe('the processor', () => {
  const cpu = (accel: 'kvm' | 'tcg', more: Partial<MachineSpec>): string[] =>
    lines(facts({ accel, machine: machine([], more) })).filter((line) => line.startsWith('-cpu'));

  test('is that of the user, whatever the acceleration', () => {
    for (const accel of ['kvm', 'tcg'] as const)
      expect(cpu(accel, { cpu: 'Haswell' })).toEqual(['-cpu Haswell']);
  });

  test("is QEMU's default only under emulation, for an image that boots on it", () => {
    expect(cpu('tcg', { emulatedCpu: 'default' })).toEqual([]);
    expect(cpu('kvm', { emulatedCpu: 'default' })).toEqual(['-cpu host']);
    expect(cpu('tcg', { emulatedCpu: 'max' })).toEqual(['-cpu max']);
  });
});

describe('disks', () => {
  const disks = [{ path: '/one' }, { path: '/a,b' }];

  test('are numbered, and commas in their paths doubled', () => {
    expect(lines(facts({ disks })).filter((line) => /disk\d/.test(line))).toEqual([
      '-drive file=/one,format=qcow2,if=none,id=disk0',
      '-device scsi-hd,drive=disk0,bus=scsi.0,bootindex=0',
      '-drive file=/a,,b,format=qcow2,if=none,id=disk1',
      '-device scsi-hd,drive=disk1,bus=scsi.0,bootindex=1',
    ]);
  });

  test('without virtio-scsi are at the interface that QEMU takes by itself', () => {
    const args = lines(facts({ disks, machine: machine([], { virtioScsi: false }) }));
    expect(args).toContain('-drive file=/one,format=qcow2');
    expect(args).toContain('-drive file=/a,,b,format=qcow2');
    expect(args.join(' ')).not.toContain('scsi');
  });

  test('of a VM that is kept are written to', () => {
    expect(lines(facts({ snapshot: false }))).not.toContain('-snapshot');
  });
});

describe('random numbers of the host', () => {
  const RANDOM = ['-object rng-builtin,id=random', '-device virtio-rng-pci,rng=random'];

  test('are given on request', () => {
    expect(lines(facts({ random: true }))).toEqual(expect.arrayContaining(RANDOM));
    expect(lines(facts()).join(' ')).not.toContain('rng');
  });

  test('come by a device of the user where there is one', () => {
    const args = lines(facts({ random: true, machine: machine(['-device', 'virtio-rng-pci,max-bytes=1']) }));
    expect(args.filter((line) => line.includes('rng'))).toEqual(['-device virtio-rng-pci,max-bytes=1']);
  });
});

describe('a seed', () => {
  const seed = '/run/a,b/seed.iso';
  const SEED = [
    '-blockdev driver=raw,node-name=seed,read-only=on,file.driver=file,file.filename=/run/a,,b/seed.iso',
    '-device virtio-blk-pci,drive=seed',
  ];

  test('is a read-only disk after those of the VM, which boot', () => {
    const args = lines(facts({ seed }));
    expect(args).toEqual(expect.arrayContaining(SEED));
    expect(args.filter((line) => line.includes('bootindex'))).toEqual([
      '-device scsi-hd,drive=disk0,bus=scsi.0,bootindex=0',
    ]);
  });

  test('does not boot before IDE disks either', () => {
    const args = lines(facts({ seed, machine: machine([], { virtioScsi: false }) }));
    expect(args).toEqual(
      expect.arrayContaining([
        '-drive file=/backend/test,format=qcow2,if=none,id=disk0',
        '-device ide-hd,drive=disk0,bootindex=0',
        ...SEED,
      ]),
    );
  });

  test('configures the ssh card by its MAC', () => {
    const network = { driver: 'virtio-net-pci', mac: '52:54:00:12:34:56', forwards: [SSH] };
    expect(lines(facts({ seed, network }))).toContain(
      '-device virtio-net-pci,id=ssh-card,netdev=ssh,mac=52:54:00:12:34:56,romfile=',
    );
  });
});

describe('cards in networks', () => {
  test('are sockets on the descriptors behind the control connection', () => {
    const args = lines(facts({ cards: ['52:54:00:00:00:0a', '52:54:00:00:00:0b'] }));
    expect(args.filter((line) => line.includes('network'))).toEqual([
      '-netdev socket,id=network0,fd=4',
      '-device virtio-net-pci,netdev=network0,mac=52:54:00:00:00:0a,romfile=',
      '-netdev socket,id=network1,fd=5',
      '-device virtio-net-pci,netdev=network1,mac=52:54:00:00:00:0b,romfile=',
    ]);
  });
});

describe('the ssh card', () => {
  test('has the port that was asked for, on this host only', () => {
    const args = lines(facts({ network: { driver: 'e1000', forwards: [{ ...SSH, host: 2222 }] } }));
    expect(args).toContain('-netdev user,id=ssh,hostfwd=tcp:127.0.0.1:2222-:22');
    expect(args).toContain('-device e1000,id=ssh-card,netdev=ssh,romfile=');
  });

  test.for(['usb-net', 'ne2k_isa', 'virtio-net-device'])('%s has no ROM to leave out', (driver) => {
    expect(lines(facts({ network: { driver, forwards: [SSH] } }))).toContain(
      `-device ${driver},id=ssh-card,netdev=ssh`,
    );
  });
});

test('forwards go with the ssh card', () => {
  const forwards = [
    SSH,
    { address: '0.0.0.0', host: 8080, guest: 80, protocol: 'tcp' as const },
    { address: '127.0.0.1', host: 0, guest: 53, protocol: 'udp' as const },
  ];
  expect(lines(facts({ network: { driver: 'e1000', forwards } }))).toContain(
    '-netdev user,id=ssh,hostfwd=tcp:127.0.0.1:0-:22,hostfwd=tcp:0.0.0.0:8080-:80,hostfwd=udp:127.0.0.1:0-:53',
  );
});

describe("the user's own arguments", () => {
  test('come last, as they are', () => {
    const own = ['-device', 'virtio-rng-pci', '--', 'odd'];
    expect(qemuArguments(facts({ machine: machine(own) })).slice(-4)).toEqual(own);
  });

  test.for([
    ['-m 2G', ['-m']],
    ['--m 2G', ['-m']],
    ['-smp 4', ['-smp']],
    ['-accel kvm', ['-accel', '-cpu']],
    ['-enable-kvm', ['-accel', '-cpu']],
    ['-machine q35,accel=kvm', ['-accel', '-cpu']],
    ['-M accel=kvm', ['-accel', '-cpu']],
    ['-cpu host', ['-cpu']],
    ['-display gtk', ['-display']],
    ['-nographic', ['-display']],
    ['-vnc :1', ['-display']],
    ['-serial stdio', ['-serial', '-monitor']],
    ['-monitor stdio', ['-monitor']],
  ] as const)('%s displaces ours', ([text, flags]) => {
    const userArgs = text.split(' ');
    const ours = qemuArguments(facts({ machine: machine(userArgs) })).slice(0, -userArgs.length);
    for (const flag of flags) expect(ours).not.toContain(flag);
    // and nothing else goes with it
    const before = qemuArguments(facts());
    const lost = before.filter((argument) => argument.startsWith('-') && !ours.includes(argument));
    expect(flags).toEqual(expect.arrayContaining(lost));
  });

  test.for(['-machine q35', '-device virtio-serial', '-name mine'])('%s displaces nothing', (text) => {
    const userArgs = text.split(' ');
    expect(qemuArguments(facts({ machine: machine(userArgs) })).slice(0, -userArgs.length)).toEqual(
      qemuArguments(facts()),
    );
  });

  test("beside the user's -nographic the console is still ours", () => {
    const console = { log: '/run/serial.log', onTerminal: true, display: true };
    const args = lines(facts({ machine: machine(['-nographic']), serial: console }));
    expect(args.filter((line) => line === '-nographic')).toHaveLength(1);
    expect(args).toContain('-serial chardev:console');
  });

  test('with a window the serial console is only kept', () => {
    const args = lines(facts({ serial: { log: '/run/serial.log', onTerminal: true, display: true } }));
    expect(args).not.toContain('-nographic');
    expect(args).not.toContain('-display none');
    expect(args).toContain('-chardev null,id=console,logfile=/run/serial.log,logappend=on');
  });
});

describe('architectures', () => {
  test.for([
    ['qemu-system-x86_64', 'x86_64'],
    ['/opt/bin/qemu-system-aarch64', 'aarch64'],
    ['my-qemu', 'x86_64'],
  ] as const)('%s runs %s', ([program, architecture]) => {
    expect(guestArchitecture(program)).toBe(architecture);
  });

  test('one whose processors we do not know keeps its default', () => {
    const program = 'qemu-system-riscv64';
    expect(lines(facts({ machine: machine([], { program }) })).join(' ')).not.toContain('-cpu');
  });
});

/** The forward to the guest's ssh. */
const SSH = { address: '127.0.0.1', host: 0, guest: 22, protocol: 'tcp' } as const;

function machine(qemuArgs: readonly string[] = [], more: Partial<MachineSpec> = {}): MachineSpec {
  return { ...machineOf(mergeLayers([])), qemuArgs, ...more };
}

function facts(more: Partial<QemuFacts> = {}): QemuFacts {
  return {
    name: 'test',
    extras: false,
    machine: machine(),
    accel: 'tcg',
    disks: [{ path: '/backend/test' }],
    snapshot: true,
    network: { driver: 'virtio-net-pci', forwards: [SSH] },
    serial: { log: '/run/serial.log', onTerminal: false, display: false },
    ...more,
  };
}

/** The command line with each flag and its value on one line. */
function lines(from: QemuFacts): string[] {
  return qemuArguments(from)
    .join(' ')
    .split(/ (?=-)/);
}

describe('what not every QEMU has', () => {
  const extras = (qemuArgs: readonly string[] = [], program = 'qemu-system-x86_64'): string[] =>
    lines(facts({ machine: machine([...qemuArgs], { program }), extras: true })).filter((line) =>
      /^-(sandbox|device pvpanic$)/.test(line),
    );
  const SANDBOX = '-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny';

  test('is used where nothing speaks against it', () => {
    expect(extras()).toEqual(['-device pvpanic', SANDBOX]);
    expect(extras(['-machine', 'q35,accel=tcg'])).toEqual(['-device pvpanic', SANDBOX]);
  });

  test.each([[['-machine', 'microvm']], [['-M', 'isapc']], [['-device', 'pvpanic-pci']]])(
    '%j: no device of ours that tells of a panic',
    (args) => {
      expect(extras(args)).toEqual([SANDBOX]);
    },
  );

  test('nor on another architecture', () => {
    expect(extras([], 'qemu-system-aarch64')).toEqual([SANDBOX]);
  });

  test.each([
    [['-netdev', 'user,id=n,smb=/srv']],
    [['-netdev', 'tap,id=n']],
    [['-netdev', 'bridge,id=n']],
    [['-nic', 'user,guestfwd=tcp:10.0.2.100:1234-cmd:cat']],
    [['-incoming', 'exec:cat state']],
    [['--runas', 'nobody']],
  ])('%j: QEMU starts programs as it is told', (args) => {
    expect(extras(args)).toEqual(['-device pvpanic']);
  });

  test('the own word of the user about the sandbox is the last', () => {
    expect(extras(['-sandbox', 'off'])).toEqual(['-device pvpanic', '-sandbox off']);
  });
});
