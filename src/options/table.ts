import * as z from 'zod';
import { lazily } from '../lazily.ts';
import { CLOUD_INIT_OPTIONS } from './cloud-init-options.ts';
import { forward } from './values/forward.ts';
import type { OptionDef, Scope } from './option.ts';
import { copyIn, copyOut } from './values/copy-pair.ts';
import { flag, hostPath, integer, port, seconds, text } from './values/primitives.ts';
import { imageSpec } from './values/image-spec.ts';
import { list, option } from './option.ts';
import { CONTACT, EVERYWHERE, ONCE, SESSION } from './scopes.ts';
import { memory } from './values/size.ts';
import { vmName } from './values/vm-name.ts';
import { sharedFolder } from './values/shared-folder.ts';

/** Every option. Schema, flags, help, defaults, merge, docs and the example file are derived from this table. */
export const OPTIONS = {
  name: option({
    type: vmName,
    scopes: ['run', 'create'],
    placeholder: 'NAME',
    help: 'name of the VM in the VM store; its disks stay there until it is removed',
    example: '"my-vm"',
  }),
  'image-backend': option({
    type: hostPath,
    scopes: EVERYWHERE,
    placeholder: 'DIR',
    env: 'TRANSIENT_BACKEND',
    help: 'directory of the shared, read-only disk images [default: transient/backend in the data directory]',
    example: '"./images"',
  }),
  vmstore: option({
    type: hostPath,
    scopes: EVERYWHERE,
    placeholder: 'DIR',
    env: 'TRANSIENT_VMSTORE',
    help: 'directory of VM disks and configuration [default: transient/vmstore in the data directory]',
    example: '"./vms"',
  }),
  verbose: option({
    type: integer(0, 2),
    scopes: ['everywhere'],
    counted: true,
    alias: '-v',
    default: 0,
    help: 'log programs run and decisions made to stderr; twice: QMP and ssh traffic too',
    example: '1',
  }),
  config: option({
    type: text,
    scopes: ['run', 'create', 'start'],
    placeholder: 'FILE',
    help: 'TOML file with options of this VM, with the same keys as a VM table',
    example: '"vm.toml"',
  }),
  'ssh-console': option({
    type: flag,
    scopes: SESSION,
    alias: '--ssh',
    default: false,
    help: 'open an ssh session instead of the QEMU console',
    example: 'true',
  }),
  'ssh-with-serial': option({
    type: flag,
    scopes: SESSION,
    alias: '--sshs',
    default: false,
    help: 'show the serial output until ssh is connected (implies ssh)',
    example: 'true',
  }),
  'ssh-command': option({
    type: text,
    scopes: CONTACT,
    alias: '--cmd',
    placeholder: 'COMMAND',
    help: 'run this command in the guest over ssh and exit with its exit code',
    example: '"uname -a"',
  }),
  'ssh-user': option({
    type: lazily(() => text().regex(/^[^-\s@][^\s@]*$/, { error: 'must be a user name' })),
    scopes: CONTACT,
    placeholder: 'USER',
    default: 'vagrant',
    help: 'user to log in as over ssh',
    example: '"vagrant"',
  }),
  'ssh-bin-name': option({
    type: text,
    scopes: CONTACT,
    placeholder: 'PROGRAM',
    default: 'ssh',
    help: 'ssh program for consoles and commands',
    example: '"ssh"',
  }),
  'ssh-timeout': option({
    type: seconds,
    scopes: CONTACT,
    placeholder: 'SECONDS',
    default: 90,
    help: 'how long to wait for the guest to accept an ssh login; with cloud-init and without KVM, 300 by default',
    example: '90',
  }),
  'ssh-option': list({
    type: text,
    scopes: CONTACT,
    alias: '-o',
    placeholder: 'OPTION',
    help: 'option passed to ssh with -o',
    example: '"ServerAliveInterval=5"',
  }),
  'ssh-port': option({
    type: port,
    scopes: SESSION,
    placeholder: 'PORT',
    help: 'port on 127.0.0.1 forwarded to port 22 of the guest [default: a free port]',
    example: '2222',
  }),
  'ssh-net-driver': option({
    type: lazily(() => text().regex(/^[\w.-]+$/, { error: 'must be the name of a QEMU network device' })),
    scopes: SESSION,
    placeholder: 'DEVICE',
    default: 'virtio-net-pci',
    help: 'QEMU network device used for ssh, e.g. e1000 or rtl8139',
    example: '"virtio-net-pci"',
  }),
  'no-virtio-scsi': option({
    type: flag,
    scopes: SESSION,
    default: false,
    help: 'attach disks to the default interface of QEMU (IDE) instead of virtio-scsi',
    example: 'true',
  }),
  'shutdown-timeout': option({
    type: seconds,
    scopes: SESSION,
    placeholder: 'SECONDS',
    default: 20,
    help: 'how long the guest may take to shut down before QEMU is terminated',
    example: '20',
  }),
  'qemu-bin-name': option({
    type: text,
    scopes: SESSION,
    placeholder: 'PROGRAM',
    default: 'qemu-system-x86_64',
    help: 'QEMU program to run',
    example: '"qemu-system-x86_64"',
  }),
  'qmp-timeout': option({
    type: seconds,
    scopes: SESSION,
    placeholder: 'SECONDS',
    default: 10,
    help: 'how long to wait for the QEMU control connection (QMP)',
    example: '10',
  }),
  'extra-image': list({
    type: imageSpec,
    scopes: ['run', 'create', 'file'],
    placeholder: 'IMAGE',
    help: 'additional disk for the VM, as an image spec',
    example: '"data,file=./data.qcow2"',
  }),
  'shared-folder': list({
    type: sharedFolder,
    scopes: SESSION,
    alias: '-s',
    placeholder: 'HOST:GUEST',
    help: 'host directory to share with the guest while it runs, live in both directions',
    example: '"./src:/srv/src"',
  }),
  'sftp-bin-name': option({
    type: text,
    scopes: SESSION,
    placeholder: 'PROGRAM',
    default: 'sftp-server',
    help: 'SFTP server program on the host, used for shared folders',
    example: '"sftp-server"',
  }),
  'copy-in-before': list({
    type: copyIn,
    scopes: ONCE,
    alias: '-b',
    placeholder: 'HOST:/GUEST',
    help: 'copy a file or directory from the host into the VM before it runs',
    example: '"./app.conf:/etc/app.conf"',
  }),
  'copy-out-after': list({
    type: copyOut,
    scopes: ONCE,
    alias: '-a',
    placeholder: '/GUEST:HOST',
    help: 'copy a file or directory out of the VM after it has run',
    example: '"/var/log/app.log:./out/"',
  }),
  'copy-timeout': option({
    type: seconds,
    scopes: SESSION,
    placeholder: 'SECONDS',
    help: 'how long each copy may take [default: no limit]',
    example: '600',
  }),
  'direct-copy': option({
    type: flag,
    scopes: SESSION,
    default: false,
    help: 'copy over ssh while the VM runs, instead of through a builder VM while it is stopped',
    example: 'true',
  }),
  rsync: option({
    type: flag,
    scopes: [...SESSION, 'cp'],
    default: false,
    help: 'copy with rsync, which sends only differences',
    example: 'true',
  }),
  'builder-kernel': option({
    type: hostPath,
    scopes: [...SESSION, 'cp', 'commit'],
    placeholder: 'FILE',
    unknownToPython: true,
    help: 'kernel of the builder VM, which copies to and from stopped VMs [default: assembled from the host]',
    example: '"./vmlinuz"',
  }),
  'builder-initrd': option({
    type: hostPath,
    scopes: [...SESSION, 'cp', 'commit'],
    placeholder: 'FILE',
    unknownToPython: true,
    help: 'initramfs of the builder VM [default: assembled from the host]',
    example: '"./initrd"',
  }),
  memory: option({
    type: memory,
    scopes: SESSION,
    alias: '-m',
    placeholder: 'SIZE',
    default: '1G',
    unknownToPython: true,
    help: 'memory of the VM, in the syntax of the -m option of QEMU',
    example: '"1G"',
  }),
  cpus: option({
    type: integer(1, 1024),
    scopes: SESSION,
    alias: '-c',
    placeholder: 'NUMBER',
    default: 2,
    unknownToPython: true,
    help: 'number of virtual CPUs',
    example: '2',
  }),
  cpu: option({
    type: lazily(() => text().regex(/^[\w.+-]+(,[^,\s]+)*$/, { error: 'must be a processor model of QEMU' })),
    scopes: SESSION,
    placeholder: 'MODEL',
    unknownToPython: true,
    help: 'processor model, in the syntax of the -cpu option of QEMU [default: host with KVM, else what the image needs]',
    example: '"Haswell"',
  }),
  accel: option({
    type: lazily(() => z.enum(['auto', 'kvm', 'tcg'])),
    scopes: SESSION,
    placeholder: 'KIND',
    default: 'auto',
    unknownToPython: true,
    help: 'acceleration: kvm, tcg (software), or auto, which uses KVM where it works',
    example: '"auto"',
  }),
  forward: list({
    type: forward,
    scopes: SESSION,
    alias: '-p',
    placeholder: '[ADDRESS:]HOST:GUEST[/udp]',
    unknownToPython: true,
    help: 'forward a host port, on 127.0.0.1 unless an address is given, to a guest port; host port 0 picks a free one',
    example: '"8080:80"',
  }),
  'insert-key': option({
    type: flag,
    scopes: SESSION,
    placeholder: 'true|false',
    default: true,
    unknownToPython: true,
    help: 'replace the public Vagrant key in the guest with a key generated for this VM',
    example: 'false',
  }),
  ...CLOUD_INIT_OPTIONS,
  'ready-command': option({
    type: text,
    scopes: ['file'],
    unknownToPython: true,
    help: 'command retried over ssh until it exits with 0; the VM is then ready for VMs that depend on it',
    example: '"pg_isready"',
  }),
  'ready-timeout': option({
    type: seconds,
    scopes: ['file'],
    default: 60,
    unknownToPython: true,
    help: 'how long ready-command may take to succeed, in seconds',
    example: '60',
  }),
  'qemu-args': list({
    type: lazily(() =>
      z.string().refine((value) => !value.includes('\0'), { error: 'must not contain a NUL character' }),
    ),
    scopes: ['file'],
    help: 'arguments passed to QEMU unchanged; on the command line, everything after "--"',
    example: '"-device", "virtio-rng-pci"',
  }),
} as const satisfies Record<string, OptionDef>;

export type OptionName = keyof typeof OPTIONS;

/** Merged value of an option: its type, or a list of it. */
type ValueOf<D> = D extends { type: () => z.ZodType<infer T>; merge: infer M }
  ? M extends 'append'
    ? readonly T[]
    : T
  : never;

/** A value for every option; a layer holds some of them. */
export type OptionValues = { readonly [K in OptionName]: ValueOf<(typeof OPTIONS)[K]> };

/** The table for readers that treat all options alike. */
export const OPTION_TABLE: Readonly<Record<OptionName, OptionDef>> = OPTIONS;

export const OPTION_NAMES = Object.keys(OPTIONS) as readonly OptionName[];

/** The default of an option; that of a list is empty. */
export function defaultOf(name: OptionName): unknown {
  const { merge, default: standard } = OPTION_TABLE[name];
  return merge === 'append' ? [] : standard;
}

/** Options that can be set in a scope, including those of every scope. */
export function optionsIn(scope: Scope): readonly OptionName[] {
  return OPTION_NAMES.filter((name) => {
    const { scopes } = OPTION_TABLE[name];
    return scopes.includes(scope) || (scope !== 'file' && scopes.includes('everywhere'));
  });
}
