import type { ForwardSpec, MachineSpec } from '../config/vm-spec.ts';

/** Descriptor of the child on which QEMU finds its control connection; those of its network cards follow. */
export const QMP_DESCRIPTOR = 3;

/** What QEMU calls the ssh card. */
export const SSH_CARD = 'ssh-card';

/** Name of the network behind it. */
export const SSH_NETWORK = 'ssh';

/** One disk of the VM; always a qcow2 file. */
export interface Disk {
  readonly path: string;
}

/** Everything that QEMU's command line is made from. */
export interface QemuFacts {
  readonly name: string;
  readonly machine: MachineSpec;
  readonly accel: 'kvm' | 'tcg';
  readonly disks: readonly Disk[];
  /** Writes go to a temporary file that QEMU removes. */
  readonly snapshot: boolean;
  readonly network?: { readonly driver: string; readonly forwards: readonly ForwardSpec[] };
  /** Cards in networks between VMs, by their hardware addresses. */
  readonly cards?: readonly string[];
  readonly shares?: ShareFacts;
  readonly serial: SerialFacts;
  /** What not every QEMU was built with: a device by which the guest's kernel tells of its panic, and the sandbox. */
  readonly extras: boolean;
}

/** Shared folders that the machine has as devices. */
export interface ShareFacts {
  readonly plan9: readonly {
    readonly tag: string;
    readonly path: string;
    readonly readonly: boolean;
    /** Modes, owners, links and devices of the guest are notes on plain files of the host. */
    readonly mapped: boolean;
  }[];
  /** Sockets of the daemons that serve them. */
  readonly virtiofs: readonly { readonly tag: string; readonly socket: string }[];
}

/** Where the serial console goes: to our terminal with QEMU's monitor behind ^A c, or only to the log. */
export interface SerialFacts {
  readonly log: string;
  readonly onTerminal: boolean;
  /** A graphical display is there to show QEMU's window on. */
  readonly display: boolean;
}

/** The arguments for QEMU; what the user says after "--" comes last and displaces ours where both say the same. */
export function qemuArguments(facts: QemuFacts): string[] {
  const { machine } = facts;
  const own = userSays(machine.qemuArgs);
  return [
    ...['-name', `guest=${escaped(facts.name)}`],
    ...(own('accel') ? [] : ['-accel', facts.accel === 'tcg' ? 'tcg,thread=multi' : 'kvm']),
    ...(own('cpu') || own('accel') ? [] : cpuArguments(facts)),
    ...(own('memory') ? [] : ['-m', machine.memory]),
    ...(own('cpus') ? [] : ['-smp', String(machine.cpus)]),
    ...(facts.snapshot ? ['-snapshot'] : []),
    ...diskArguments(facts),
    ...networkArguments(facts),
    ...cardArguments(facts),
    ...shareArguments(facts),
    ...serialArguments(facts, own),
    ...(facts.extras && takesPanicDevice(machine) ? PANIC_DEVICE : []),
    ...(facts.extras && takesSandbox(machine) ? SANDBOX : []),
    ...['-chardev', `socket,id=qmp,fd=${QMP_DESCRIPTOR}`, '-mon', 'chardev=qmp,mode=control'],
    ...machine.qemuArgs,
  ];
}

/** The architecture of the guests that a QEMU program runs, by QEMU's name for it. */
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

/** What the user's own arguments are about; QEMU takes them with one dash or two. */
function userSays(args: readonly string[]): (subject: Subject) => boolean {
  const flags = args.filter((argument) => argument.startsWith('-')).map((flag) => flag.replace(/^--/, '-'));
  const machineAccel = args.some((value, index) => {
    const flag = args[index - 1] ?? '';
    return /^--?(machine|M)$/.test(flag) && /(^|,)accel=/.test(value);
  });
  return (subject) =>
    (subject === 'accel' && machineAccel) || flags.some((flag) => SUBJECTS[subject].test(flag));
}

/** System calls that QEMU does without (QEMU, qemu-options: -sandbox): a guest that has broken out starts no program. */
export const SANDBOX = [
  '-sandbox',
  'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
];

/** Arguments of the user's own by which QEMU starts programs, or changes who it is. */
const STARTS_PROGRAMS =
  /^(tap|bridge)\b|(^|,)(smb|helper|script|downscript|guestfwd)=|^(exec|cmd):|^--?(sandbox|runas|chroot|daemonize|run-with)$/;

function takesSandbox({ qemuArgs }: MachineSpec): boolean {
  return !qemuArgs.some((argument) => STARTS_PROGRAMS.test(argument));
}

const PANIC_DEVICE = ['-device', 'pvpanic'];

/** It is on the ISA bus of the PC machines (QEMU, docs/specs/pvpanic). */
function takesPanicDevice({ program, qemuArgs }: MachineSpec): boolean {
  const machines = qemuArgs.filter((_value, index) => /^--?(machine|M)$/.test(qemuArgs[index - 1] ?? ''));
  const types = machines.flatMap((value) => /^(?:type=)?([^,=]+)(?:,|$)/.exec(value)?.[1] ?? []);
  return (
    ['x86_64', 'i386'].includes(guestArchitecture(program)) &&
    types.every((type) => /^(pc|q35)\b/.test(type)) &&
    !qemuArgs.some((value) => value.includes('pvpanic'))
  );
}

/** Guests of today (x86-64-v2 and up) do not start on QEMU's default processor. */
function cpuArguments({ accel, machine }: QemuFacts): string[] {
  const known = ['x86_64', 'i386', 'aarch64', 'arm'].includes(guestArchitecture(machine.program));
  return known ? ['-cpu', accel === 'kvm' ? 'host' : 'max'] : [];
}

function diskArguments({ machine, disks }: QemuFacts): string[] {
  if (!machine.virtioScsi)
    return disks.flatMap(({ path }) => ['-drive', `file=${escaped(path)},format=qcow2`]);
  return [
    ...['-device', 'virtio-scsi-pci,id=scsi'],
    ...disks.flatMap(({ path }, index) => [
      ...['-drive', `file=${escaped(path)},format=qcow2,if=none,id=disk${index}`],
      ...['-device', `scsi-hd,drive=disk${index},bus=scsi.0,bootindex=${index}`],
    ]),
  ];
}

/** The ssh card; port 0 lets the kernel pick, and QMP tells which. Without the boot ROM the BIOS is quicker. */
function networkArguments({ network }: QemuFacts): string[] {
  if (network === undefined) return [];
  const rom = hasBootRom(network.driver) ? ',romfile=' : '';
  return [
    ...['-netdev', ['user', `id=${SSH_NETWORK}`, ...network.forwards.map(hostForward)].join(',')],
    ...['-device', `${network.driver},id=${SSH_CARD},netdev=${SSH_NETWORK}${rom}`],
  ];
}

/** Files of a 9p folder are the host user's, whatever the guest calls itself. */
const AS_THEY_ARE = 'security_model=none';

/** No bit that the guest sets is one on the host: each file has this mode, less what the umask takes away. */
const AS_NOTES = 'security_model=mapped-xattr,fmode=0755,dmode=0755';

/** A daemon of virtiofs reads the guest's own memory. */
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

/** Each card in a network is a socket of its own that we hold the other end of. */
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

/** The serial console is always kept in a log, unless the user's own arguments say where it goes. */
function serialArguments({ serial }: QemuFacts, own: (subject: Subject) => boolean): string[] {
  if (own('serial')) return own('display') || !windowless(serial) ? [] : ['-display', 'none'];
  const log = `logfile=${escaped(serial.log)},logappend=on`;
  if (serial.onTerminal && (windowless(serial) || own('display'))) {
    // signal=off: ^C is for the guest
    return [
      ...(own('display') ? [] : ['-nographic']),
      ...['-chardev', `stdio,id=console,mux=on,signal=off,${log}`, '-serial', 'chardev:console'],
      ...(own('monitor') ? [] : ['-mon', 'chardev=console,mode=readline']),
    ];
  }
  return [
    ...(own('display') || serial.onTerminal ? [] : ['-display', 'none']),
    ...['-chardev', `null,id=console,${log}`, '-serial', 'chardev:console'],
    ...(own('monitor') ? [] : ['-monitor', 'none']),
  ];
}

function windowless({ onTerminal, display }: SerialFacts): boolean {
  return !onTerminal || !display;
}

/** A comma ends a value in QEMU's option syntax unless it is doubled. */
export function escaped(value: string): string {
  return value.replaceAll(',', ',,');
}
