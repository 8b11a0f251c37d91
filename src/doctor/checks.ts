import { cacheDirectory } from '../builder/appliance.ts';
import { findHostProgram } from '../builder/programs.ts';
import { hostArchitecture } from '../host/kvm.ts';
import { privateBase } from '../host/run-directory.ts';
import { snapshotDirectory } from '../qemu/snapshot.ts';
import { findSftpServer } from '../share/sftp-server.ts';
import { findVirtiofsd } from '../share/virtiofsd.ts';
import { busybox, kernel } from './builder.ts';
import type { Check, Finding, HostEnvironment } from './finding.ts';
import { kvm } from './kvm.ts';
import { packages } from './packages.ts';
import { place, placeOf } from './places.ts';
import { program, programAt } from './programs.ts';

const MB = 1e6;
const QEMU = `qemu-system-${hostArchitecture()}`;
const ON_ARM = hostArchitecture() === 'aarch64';
const KERNEL_OF_DEBIAN = ON_ARM ? 'linux-image-arm64' : 'linux-image-amd64';
const BUILDER = 'copies to and from stopped VMs';

/** All checks, in the order of the output. */
export const CHECKS: readonly Check[] = [
  {
    name: 'QEMU',
    purpose: 'runs the VMs',
    needed: true,
    ...(ON_ARM ? packages('qemu-system-arm', 'qemu-system-aarch64') : packages('qemu-system-x86')),
    look: program(QEMU, '--version'),
  },
  {
    name: 'KVM',
    purpose: 'runs VMs at native speed instead of emulation',
    needed: false,
    hint: 'enable virtualization in the firmware (nested virtualization inside a VM), and join the group "kvm"',
    look: kvm,
  },
  {
    name: 'qemu-img',
    purpose: 'creates and reads disk images',
    needed: true,
    ...packages('qemu-utils', 'qemu-img'),
    look: program('qemu-img', '--version'),
  },
  {
    name: 'ssh',
    purpose: 'commands and sessions in guests',
    needed: true,
    ...packages('openssh-client', 'openssh-clients', 'openssh'),
    look: program('ssh', '-V'),
  },
  {
    name: 'flock',
    purpose: 'locks',
    needed: true,
    ...packages('util-linux'),
    look: program('flock', '--version'),
  },
  {
    name: 'setpriv',
    purpose: 'ends child processes with transient',
    needed: true,
    ...packages('util-linux'),
    look: program('setpriv', '--version'),
  },
  {
    name: 'run directory',
    purpose: 'keys, logs and sockets of a run',
    needed: true,
    hint: 'set XDG_RUNTIME_DIR to a private directory of yours, or unset it',
    look: ({ environment }) => placeOf(() => privateBase(environment), 10 * MB),
  },
  {
    name: 'snapshots',
    purpose: 'disk writes of VMs without a name',
    needed: true,
    hint: 'choose a directory with enough space with TRANSIENT_SNAPSHOT_DIR',
    look: ({ environment }) => placeOf(() => snapshotDirectory(environment), 1000 * MB),
  },
  {
    name: 'backend',
    purpose: 'images',
    needed: true,
    hint: 'choose a directory with enough space with --image-backend or TRANSIENT_BACKEND',
    look: ({ backend }) => place(backend, 1000 * MB),
  },
  {
    name: 'VM store',
    purpose: 'named VMs',
    needed: false,
    hint: 'choose a directory with enough space with --vmstore or TRANSIENT_VMSTORE',
    look: ({ vmstore }) => place(vmstore, 1000 * MB),
  },
  {
    name: 'cache',
    purpose: 'the builder VM for copies',
    needed: false,
    hint: 'choose a directory with enough space with XDG_CACHE_HOME',
    look: ({ environment }) => place(cacheDirectory(environment), 200 * MB),
  },
  {
    name: 'gpgv',
    purpose: 'signatures of images by name',
    needed: false,
    ...packages('gpgv', 'gnupg2', 'gnupg'),
    look: program('gpgv', '--version'),
  },
  {
    name: 'sftp-server',
    purpose: 'shared folders by sshfs',
    needed: false,
    ...packages('openssh-sftp-server', 'openssh-server', 'openssh'),
    look: () => programAt(() => findSftpServer('sftp-server')),
  },
  {
    name: 'virtiofsd',
    purpose: 'shared folders by virtiofs',
    needed: false,
    ...packages('virtiofsd'),
    hint: 'in Debian 12 it is part of qemu-system-common',
    look: () => programAt(findVirtiofsd),
  },
  {
    name: 'rsync',
    purpose: 'copies with --rsync',
    needed: false,
    ...packages('rsync'),
    look: program('rsync', '--version'),
  },
  {
    name: 'xz',
    purpose: 'unpacks xz images faster',
    needed: false,
    ...packages('xz-utils', 'xz'),
    look: program('xz', '--version'),
  },
  {
    name: 'zstd',
    purpose: 'unpacks zstd images',
    needed: false,
    ...packages('zstd'),
    look: program('zstd', '--version'),
  },
  {
    name: 'bzip2',
    purpose: 'unpacks bzip2 images',
    needed: false,
    ...packages('bzip2'),
    look: program('bzip2'),
  },
  {
    name: 'kernel',
    purpose: BUILDER,
    needed: false,
    ...packages(KERNEL_OF_DEBIAN, 'kernel-core', 'linux'),
    hint: 'make /boot/vmlinuz-* readable, set a kernel with --builder-kernel, or use --direct-copy',
    look: kernel,
  },
  {
    name: 'busybox',
    purpose: BUILDER,
    needed: false,
    ...packages('busybox-static', 'busybox'),
    look: busybox,
  },
  {
    name: 'tar',
    purpose: BUILDER,
    needed: false,
    ...packages('tar'),
    look: () => programAt(() => findHostProgram('tar')),
  },
  {
    name: 'mount',
    purpose: BUILDER,
    needed: false,
    ...packages('mount', 'util-linux'),
    look: () => programAt(() => findHostProgram('mount')),
  },
  {
    name: 'blkid',
    purpose: BUILDER,
    needed: false,
    ...packages('util-linux'),
    look: () => programAt(() => findHostProgram('blkid')),
  },
];

/** Runs all checks. */
export async function runChecks(surroundings: HostEnvironment): Promise<Finding[]> {
  return Promise.all(CHECKS.map(async ({ look, ...facts }) => ({ ...facts, ...(await look(surroundings)) })));
}

/** Whether the main use works: `transient up` with a local image over ssh. */
export function canRun(findings: readonly Finding[]): boolean {
  return !findings.some(({ needed, state }) => needed && state === 'missing');
}
