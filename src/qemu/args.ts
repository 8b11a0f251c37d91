import type { MachineSpec } from '../config/machine.ts';
import type { ForwardSpec } from '../config/vm-spec.ts';

/** File descriptor of QEMU's control connection; those of its network cards follow. */
export const QMP_DESCRIPTOR = 3;

/** QEMU id of the ssh card. */
export const SSH_CARD = 'ssh-card';

/** QEMU id of the network behind it. */
export const SSH_NETWORK = 'ssh';

/** A disk of the VM; always a qcow2 file. */
export interface Disk {
  readonly path: string;
}

/** Input for QEMU's command line. */
export interface QemuFacts {
  readonly name: string;
  readonly machine: MachineSpec;
  readonly accel: 'kvm' | 'tcg';
  readonly disks: readonly Disk[];
  /** Image of a seed, attached read-only. */
  readonly seed?: string | undefined;
  /** Whether the guest gets random numbers from the host: without them, making keys at a first boot can take minutes. */
  readonly random?: boolean;
  /** Writes go to a temporary file that QEMU removes. */
  readonly snapshot: boolean;
  readonly network?: {
    readonly driver: string;
    readonly mac?: string | undefined;
    readonly forwards: readonly ForwardSpec[];
  };
  /** MAC addresses of cards in networks between VMs. */
  readonly cards?: readonly string[];
  readonly shares?: ShareFacts;
  readonly serial: SerialFacts;
  /** Optional features, which not every QEMU was built with: a panic device and the sandbox. */
  readonly extras: boolean;
}

/** Shared folders that are devices of the machine. */
export interface ShareFacts {
  readonly plan9: readonly {
    readonly tag: string;
    readonly path: string;
    readonly readonly: boolean;
    /** Modes, owners, links and devices of the guest are stored as extended attributes of plain files. */
    readonly mapped: boolean;
  }[];
  /** Sockets of their virtiofs daemons. */
  readonly virtiofs: readonly { readonly tag: string; readonly socket: string }[];
}

/** Destination of the serial console: our terminal, with QEMU's monitor behind ^A c, or only the log. */
export interface SerialFacts {
  readonly log: string;
  readonly onTerminal: boolean;
  /** A graphical display is available for QEMU's window. */
  readonly display: boolean;
}

/** Builds QEMU's arguments; the user's own after "--" come last, and replace ours on the same subject. */
export function qemuArguments(facts: QemuFacts): string[] {
  const { machine } = facts;
  const userSets = subjectsSetBy(machine.qemuArgs);
  return [
    ...['-name', `guest=${escaped(facts.name)}`],
    ...(userSets('accel') ? [] : ['-accel', facts.accel === 'tcg' ? 'tcg,thread=multi' : 'kvm']),
    ...(userSets('cpu') || userSets('accel') ? [] : cpuArguments(facts)),
    ...(userSets('memory') ? [] : ['-m', machine.memory]),
    ...(userSets('cpus') ? [] : ['-smp', String(machine.cpus)]),
    ...(facts.snapshot ? ['-snapshot'] : []),
    ...diskArguments(facts),
    ...seedArguments(facts),
    ...networkArguments(facts),
    ...cardArguments(facts),
    ...shareArguments(facts),
    ...(facts.random === true && takesRandomDevice(machine) ? RANDOM_DEVICE : []),
    ...serialArguments(facts, userSets),
    ...(facts.extras && takesPanicDevice(machine) ? PANIC_DEVICE : []),
    ...(facts.extras && takesSandbox(machine) ? SANDBOX : []),
    ...['-chardev', `socket,id=qmp,fd=${QMP_DESCRIPTOR}`, '-mon', 'chardev=qmp,mode=control'],
    ...machine.qemuArgs,
  ];
}

/** Guest architecture of a QEMU program, by QEMU's name. */
export function guestArchitecture(program: string): string {
  return /qemu-system-([\w]+)$/.exec(program)?.[1] ?? 'x86_64';
}

type Subject = 'accel' | 'cpu' | 'memory' | 'cpus' | 'display' | 'serial' | 'monitor';

const SUBJECTS: Readonly<Record<Subject, RegExp>> = {
  accel: /^-(accel|enable-kvm|no-kvm)$/,
  cpu: /^-cpu$/,
  memory: /^-m$/,
  cpus: /^-smp$/,
  display: /^-(display|nographic|curses|sdl|gtk|vnc|spice|full-screen)$/,
  serial: /^-serial$/,
  monitor: /^-(monitor|mon|qmp|qmp-pretty)$/,
};

/** Tests which subjects the user's own arguments cover; QEMU accepts one dash or two. */
function subjectsSetBy(args: readonly string[]): (subject: Subject) => boolean {
  const flags = args.filter((argument) => argument.startsWith('-')).map((flag) => flag.replace(/^--/, '-'));
  const machineAccel = args.some((value, index) => {
    const flag = args[index - 1] ?? '';
    return /^--?(machine|M)$/.test(flag) && /(^|,)accel=/.test(value);
  });
  return (subject) =>
    (subject === 'accel' && machineAccel) || flags.some((flag) => SUBJECTS[subject].test(flag));
}

/**
 * Sandbox that denies system calls QEMU does not need (QEMU, qemu-options: -sandbox): a guest that escapes cannot start
 * programs.
 */
export const SANDBOX = [
  '-sandbox',
  'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
];

/** User arguments by which QEMU starts programs or changes its identity. */
const STARTS_PROGRAMS =
  /^(tap|bridge)\b|(^|,)(smb|helper|script|downscript|guestfwd)=|^(exec|cmd):|^--?(sandbox|runas|chroot|daemonize|run-with)$/;

function takesSandbox({ qemuArgs }: MachineSpec): boolean {
  return !qemuArgs.some((argument) => STARTS_PROGRAMS.test(argument));
}

const RANDOM_DEVICE = ['-object', 'rng-builtin,id=random', '-device', 'virtio-rng-pci,rng=random'];

function takesRandomDevice({ qemuArgs }: MachineSpec): boolean {
  return !qemuArgs.some((argument) => argument.includes('virtio-rng'));
}

const PANIC_DEVICE = ['-device', 'pvpanic'];

/** Whether the machine can have a pvpanic device, which is on the ISA bus of PC machines (QEMU, docs/specs/pvpanic). */
function takesPanicDevice(machine: MachineSpec): boolean {
  const { qemuArgs } = machine;
  const machines = qemuArgs.filter((_value, index) => /^--?(machine|M)$/.test(qemuArgs[index - 1] ?? ''));
  const types = machines.flatMap((value) => /^(?:type=)?([^,=]+)(?:,|$)/.exec(value)?.[1] ?? []);
  return (
    isPc(machine) &&
    types.every((type) => /^(pc|q35)\b/.test(type)) &&
    !qemuArgs.some((value) => value.includes('pvpanic'))
  );
}

function isPc({ program }: MachineSpec): boolean {
  return ['x86_64', 'i386'].includes(guestArchitecture(program));
}

/** Processor model: the user's, else the host's own where it can be used, else what the image needs. */
function cpuArguments({ accel, machine }: QemuFacts): string[] {
  if (machine.cpu !== undefined) return ['-cpu', machine.cpu];
  const hasMax = ['x86_64', 'i386', 'aarch64', 'arm'].includes(guestArchitecture(machine.program));
  if (!hasMax || (accel === 'tcg' && machine.emulatedCpu === 'default')) return [];
  return ['-cpu', accel === 'kvm' ? 'host' : 'max'];
}

function diskArguments({ machine, disks, seed }: QemuFacts): string[] {
  if (!machine.virtioScsi && (seed === undefined || !isPc(machine)))
    return disks.flatMap(({ path }) => ['-drive', `file=${escaped(path)},format=qcow2`]);
  // a disk without a bootindex comes after the seed, which does not boot
  if (!machine.virtioScsi) {
    return disks.flatMap(({ path }, index) => [
      ...['-drive', `file=${escaped(path)},format=qcow2,if=none,id=disk${index}`],
      ...['-device', `ide-hd,drive=disk${index},bootindex=${index}`],
    ]);
  }
  return [
    ...['-device', 'virtio-scsi-pci,id=scsi'],
    ...disks.flatMap(({ path }, index) => [
      ...['-drive', `file=${escaped(path)},format=qcow2,if=none,id=disk${index}`],
      ...['-device', `scsi-hd,drive=disk${index},bus=scsi.0,bootindex=${index}`],
    ]),
  ];
}

/**
 * The seed, on virtio-blk: kernels for clouds lack AHCI. As a block node it is untouched by `-snapshot`, which would add a
 * writable file to it.
 */
function seedArguments({ seed }: QemuFacts): string[] {
  if (seed === undefined) return [];
  const node = `driver=raw,node-name=seed,read-only=on,file.driver=file,file.filename=${escaped(seed)}`;
  return ['-blockdev', node, '-device', 'virtio-blk-pci,drive=seed'];
}

/** The ssh card; port 0 lets the kernel choose, and QMP reports it. Without the boot ROM the BIOS is faster. */
function networkArguments({ network }: QemuFacts): string[] {
  if (network === undefined) return [];
  const rom = hasBootRom(network.driver) ? ',romfile=' : '';
  const mac = network.mac === undefined ? '' : `,mac=${network.mac}`;
  return [
    ...['-netdev', ['user', `id=${SSH_NETWORK}`, ...network.forwards.map(hostForward)].join(',')],
    ...['-device', `${network.driver},id=${SSH_CARD},netdev=${SSH_NETWORK}${mac}${rom}`],
  ];
}

/** 9p security model in which files belong to the host user, whatever owner the guest sets. */
const AS_THEY_ARE = 'security_model=none';

/** 9p security model in which the guest's mode bits do not reach the host: each file has this mode, less the umask. */
const AS_NOTES = 'security_model=mapped-xattr,fmode=0755,dmode=0755';

/** Arguments of shared folders; virtiofs needs guest memory that is shared with its daemon. */
function shareArguments({ shares, machine }: QemuFacts): string[] {
  if (shares === undefined) return [];
  const memory = /\d$/.test(machine.memory) ? `${machine.memory}M` : machine.memory;
  return [
    ...shares.plan9.flatMap(({ tag, path, readonly, mapped }, index) => [
      '-fsdev',
      `local,id=plan9-${index},path=${escaped(path)},${mapped ? AS_NOTES : AS_THEY_ARE},multidevs=remap${readonly ? ',readonly=on' : ''}`,
      ...['-device', `virtio-9p-pci,fsdev=plan9-${index},mount_tag=${tag}`],
    ]),
    ...(shares.virtiofs.length > 0
      ? [
          '-object',
          `memory-backend-memfd,id=shared,size=${memory},share=on`,
          '-machine',
          'memory-backend=shared',
        ]
      : []),
    ...shares.virtiofs.flatMap(({ tag, socket }, index) => [
      ...['-chardev', `socket,id=virtiofs-${index},path=${escaped(socket)}`],
      ...['-device', `vhost-user-fs-pci,chardev=virtiofs-${index},tag=${tag}`],
    ]),
  ];
}

/** Each card in a network is a socket whose other end is held here. */
function cardArguments({ cards = [] }: QemuFacts): string[] {
  return cards.flatMap((mac, index) => [
    ...['-netdev', `socket,id=network${index},fd=${QMP_DESCRIPTOR + 1 + index}`],
    ...['-device', `virtio-net-pci,netdev=network${index},mac=${mac},romfile=`],
  ]);
}

function hostForward({ protocol, address, host, guest }: ForwardSpec): string {
  return `hostfwd=${protocol}:${address}:${host}-:${guest}`;
}

function hasBootRom(driver: string): boolean {
  return !/^usb-|^ne2k_isa$|-(device|ccw|nontransitional-device)$/.test(driver);
}

/** Arguments of the serial console, which is always logged, unless the user's own arguments set its destination. */
function serialArguments({ serial }: QemuFacts, userSets: (subject: Subject) => boolean): string[] {
  if (userSets('serial')) return userSets('display') || !windowless(serial) ? [] : ['-display', 'none'];
  const log = `logfile=${escaped(serial.log)},logappend=on`;
  if (serial.onTerminal && (windowless(serial) || userSets('display'))) {
    // signal=off: ^C goes to the guest
    return [
      ...(userSets('display') ? [] : ['-nographic']),
      ...['-chardev', `stdio,id=console,mux=on,signal=off,${log}`, '-serial', 'chardev:console'],
      ...(userSets('monitor') ? [] : ['-mon', 'chardev=console,mode=readline']),
    ];
  }
  return [
    ...(userSets('display') || serial.onTerminal ? [] : ['-display', 'none']),
    ...['-chardev', `null,id=console,${log}`, '-serial', 'chardev:console'],
    ...(userSets('monitor') ? [] : ['-monitor', 'none']),
  ];
}

function windowless({ onTerminal, display }: SerialFacts): boolean {
  return !onTerminal || !display;
}

/** Escapes commas, which end a value in QEMU's option syntax. */
export function escaped(value: string): string {
  return value.replaceAll(',', ',,');
}
