import { arch } from 'node:os';
import { SANDBOX, escaped } from '../qemu/args.ts';
import type { Appliance } from './appliance.ts';

/** File descriptor of the control port in QEMU; the ports of copies follow. */
const FIRST_DESCRIPTOR = 3;

/** Number of usable ports on a virtio serial bus, which reserves one for itself. */
const PORTS_OF_BUS = 30;

/** Parameters of the builder's QEMU command line. */
export interface BuilderFacts {
  readonly appliance: Appliance;
  readonly accel: 'kvm' | 'tcg';
  readonly disks: readonly string[];
  /** Writes to the disks are discarded: the builder only reads. */
  readonly readOnly: boolean;
  /** Names of the ports, the control port first. */
  readonly ports: readonly string[];
  readonly serialLog: string;
}

/** The QEMU program for guests of this host's own architecture. */
export function builderProgram(): string {
  return arch() === 'arm64' ? 'qemu-system-aarch64' : 'qemu-system-x86_64';
}

/**
 * Number of processors: one under emulation. With two, QEMU 7.2 sometimes keeps its translation of an int3 that the
 * kernel put into its own code while patching and has removed again: both processors then trap forever.
 */
const PROCESSORS = {
  kvm: ['-accel', 'kvm', '-cpu', 'host', '-smp', '2'],
  tcg: ['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '1'],
} as const;

/** Arguments of a machine with only disks and serial ports: no network, nothing that listens. */
export function builderArguments(facts: BuilderFacts): string[] {
  const { appliance, accel, disks, readOnly, ports, serialLog } = facts;
  const arm = arch() === 'arm64';
  const console = arm ? 'ttyAMA0' : 'ttyS0';
  return [
    ...['-name', 'transient-builder', '-no-user-config', '-nodefaults', '-display', 'none', '-no-reboot'],
    ...['-machine', arm ? 'virt' : 'q35,usb=off,vmport=off'],
    ...PROCESSORS[accel],
    ...SANDBOX,
    ...['-m', '768M'],
    ...['-kernel', appliance.kernel, '-initrd', appliance.initrd],
    ...['-append', `console=${console} quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on`],
    ...['-chardev', `file,id=console,path=${escaped(serialLog)}`, '-serial', 'chardev:console'],
    ...disks.flatMap((path, index) => [
      ...[
        '-drive',
        `file=${escaped(path)},format=qcow2,if=none,id=disk${index},snapshot=${readOnly ? 'on' : 'off'}`,
      ],
      ...['-device', `virtio-blk-pci,drive=disk${index}`],
    ]),
    ...ports.flatMap((name, index) => portArguments(name, index)),
  ];
}

function portArguments(name: string, index: number): string[] {
  const bus = Math.floor(index / PORTS_OF_BUS);
  return [
    ...(index % PORTS_OF_BUS === 0 ? ['-device', `virtio-serial-pci,id=bus${bus}`] : []),
    ...['-chardev', `socket,id=port${index},fd=${FIRST_DESCRIPTOR + index}`],
    ...['-device', `virtserialport,chardev=port${index},name=${name},bus=bus${bus}.0`],
  ];
}
