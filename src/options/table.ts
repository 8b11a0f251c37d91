import * as z from 'zod';
import { lazily } from '../lazily.ts';
import { forward } from './forward.ts';
import type { OptionDef, Scope } from './option.ts';
import {
  copyIn,
  copyOut,
  flag,
  imageSpec,
  integer,
  list,
  memory,
  option,
  port,
  seconds,
  text,
  vmName,
} from './option.ts';
import { sharedFolder } from './shared-folder.ts';

/** The parts of a VM's session, wherever they are said. */
const SESSION: readonly Scope[] = ['run', 'create', 'start', 'up', 'plan', 'file'];

/** What happens in one session of a VM, and is said anew for the next. */
const ONCE: readonly Scope[] = ['run', 'start', 'up', 'plan', 'file'];

/** How a guest is reached, which is also said to a VM that runs already. */
const CONTACT: readonly Scope[] = [...SESSION, 'ssh'];

const EVERYWHERE: readonly Scope[] = ['everywhere', 'file'];

/** Every option there is. Schema, flags, help, defaults, merge, docs and the example file are read from here. */
export const OPTIONS = {
  name: option({
    type: vmName,
    scopes: ['run', 'create'],
    placeholder: 'NAME',
    help: 'name of the VM in the VM store: its disks stay there until it is removed',
    example: '"my-vm"',
  }),
  'image-backend': option({
    type: text,
    scopes: EVERYWHERE,
    path: true,
    placeholder: 'DIR',
    env: 'TRANSIENT_BACKEND',
    help: 'directory of the shared, read-only disk images [default: transient/backend in the data directory]',
    example: '"./images"',
  }),
  vmstore: option({
    type: text,
    scopes: EVERYWHERE,
    path: true,
    placeholder: 'DIR',
    env: 'TRANSIENT_VMSTORE',
    help: 'directory of the disks and configuration of VMs [default: transient/vmstore in the data directory]',
    example: '"./vms"',
  }),
  verbose: option({
    type: integer(0, 2),
    scopes: ['everywhere'],
    counted: true,
    alias: '-v',
    default: 0,
    help: 'say on stderr which programs are run and what is decided; twice: QMP and ssh traffic too',
    example: '1',
  }),
  config: option({
    type: text,
    scopes: ['run', 'create', 'start'],
    placeholder: 'FILE',
    help: 'TOML file with options of this VM, the same keys as in a VM table',
    example: '"vm.toml"',
  }),
  'ssh-console': option({
    type: flag,
    scopes: SESSION,
    alias: '--ssh',
    default: false,
    help: 'open an ssh session instead of the console of QEMU',
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
    help: 'run this command in the guest over ssh; its exit code becomes ours',
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
    help: 'how long to wait for the guest to accept an ssh login',
    example: '90',
  }),
  'ssh-option': list({
    type: text,
    scopes: CONTACT,
    alias: '-o',
    placeholder: 'OPTION',
    help: 'option for the ssh program, as its -o takes it',
    example: '"ServerAliveInterval=5"',
  }),
  'ssh-port': option({
    type: port,
    scopes: SESSION,
    placeholder: 'PORT',
    help: 'port of 127.0.0.1 that leads to port 22 of the guest [default: a free one]',
    example: '2222',
  }),
  'ssh-net-driver': option({
    type: lazily(() => text().regex(/^[\w.-]+$/, { error: 'must be the name of a network device of QEMU' })),
    scopes: SESSION,
    placeholder: 'DEVICE',
    default: 'virtio-net-pci',
    help: 'network device of QEMU that carries ssh, e.g. e1000 or rtl8139',
    example: '"virtio-net-pci"',
  }),
  'no-virtio-scsi': option({
    type: flag,
    scopes: SESSION,
    default: false,
    help: 'attach disks by the default interface of QEMU (ide) instead of virtio-scsi',
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
    help: 'how long to wait for the control connection (QMP) of QEMU',
    example: '10',
  }),
  'extra-image': list({
    type: imageSpec,
    scopes: ['run', 'create', 'file'],
    placeholder: 'IMAGE',
    help: 'a further disk for the VM: an image spec like that of the first disk',
    example: '"data,file=./data.qcow2"',
  }),
  'shared-folder': list({
    type: sharedFolder,
    scopes: SESSION,
    alias: '-s',
    placeholder: 'HOST:GUEST',
    help: 'directory of the host that appears in the guest while it runs, live in both directions',
    example: '"./src:/srv/src"',
  }),
  'sftp-bin-name': option({
    type: text,
    scopes: SESSION,
    placeholder: 'PROGRAM',
    default: 'sftp-server',
    help: 'SFTP server of the host behind shared folders',
    example: '"sftp-server"',
  }),
  'copy-in-before': list({
    type: copyIn,
    scopes: ONCE,
    alias: '-b',
    placeholder: 'HOST:/GUEST',
    help: 'copy a file or directory of the host into the VM before it runs',
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
    help: 'copy over ssh while the VM runs, instead of onto its disk by a builder VM',
    example: 'true',
  }),
  rsync: option({
    type: flag,
    scopes: [...SESSION, 'cp'],
    default: false,
    help: 'copy with rsync, which sends only what differs',
    example: 'true',
  }),
  'builder-kernel': option({
    type: text,
    scopes: [...SESSION, 'cp', 'commit'],
    path: true,
    placeholder: 'FILE',
    unknownToPython: true,
    help: 'kernel of the builder VM, which copies to and from stopped VMs [default: assembled from the host]',
    example: '"./vmlinuz"',
  }),
  'builder-initrd': option({
    type: text,
    scopes: [...SESSION, 'cp', 'commit'],
    path: true,
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
    help: 'memory of the VM, as the -m of QEMU takes it',
    example: '"1G"',
  }),
  cpus: option({
    type: integer(1, 1024),
    scopes: SESSION,
    alias: '-c',
    placeholder: 'NUMBER',
    default: 2,
    unknownToPython: true,
    help: 'number of virtual processors',
    example: '2',
  }),
  accel: option({
    type: lazily(() => z.enum(['auto', 'kvm', 'tcg'])),
    scopes: SESSION,
    placeholder: 'KIND',
    default: 'auto',
    unknownToPython: true,
    help: 'acceleration: kvm, tcg (software), or auto, which takes KVM where it works',
    example: '"auto"',
  }),
  forward: list({
    type: forward,
    scopes: SESSION,
    alias: '-p',
    placeholder: '[ADDRESS:]HOST:GUEST[/udp]',
    unknownToPython: true,
    help: 'a port of the host, of 127.0.0.1 unless an address is said, that leads to one of the guest; 0: a free one',
    example: '"8080:80"',
  }),
  'insert-key': option({
    type: z.boolean,
    scopes: SESSION,
    placeholder: 'true|false',
    default: true,
    unknownToPython: true,
    help: 'replace the public Vagrant key in the guest by one that is made for this VM alone',
    example: 'false',
  }),
  'ready-command': option({
    type: text,
    scopes: ['file'],
    unknownToPython: true,
    help: 'command that is tried over ssh until it exits with 0: then the VM is ready for those that depend on it',
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
    help: 'arguments for QEMU, passed on as they are; on the command line what follows "--"',
    example: '"-device", "virtio-rng-pci"',
  }),
} as const satisfies Record<string, OptionDef>;

export type OptionName = keyof typeof OPTIONS;

/** The value that an option holds once all is merged: its type, or a list of it. */
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

/** The options that can be said in a scope; those of every scope are among them. */
export function optionsIn(scope: Scope): readonly OptionName[] {
  return OPTION_NAMES.filter((name) => {
    const { scopes } = OPTION_TABLE[name];
    return scopes.includes(scope) || (scope !== 'file' && scopes.includes('everywhere'));
  });
}
