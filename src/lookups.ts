import { builderProgram } from './builder/args.ts';
import { findNeededPrograms } from './builder/programs.ts';
import type { SharesSpec } from './config/vm-spec.ts';
import { findProgram } from './host/program.ts';
import type { Step } from './plan/step.ts';
import { findSftpServer } from './share/sftp-server.ts';
import { findVirtiofsd, refuseAsRoot } from './share/virtiofsd.ts';

/** Finds a host program or checks whether it may be run; throws otherwise. */
export type Lookup = () => Promise<unknown>;

/** Lookups of the programs that a step runs, as far as these are known in advance. */
export function lookupsOf(step: Step): readonly Lookup[] {
  switch (step.kind) {
    case 'image.retrieve':
    case 'image.commit':
    case 'vm.create':
      return programs('qemu-img');
    case 'machine.boot':
      return programs(step.machine.program);
    case 'builder.boot':
      return [
        ...programs(builderProgram()),
        // a custom initramfs contains its own programs
        ...(step.builder.initrd === undefined ? [findNeededPrograms] : []),
      ];
    case 'copy.in':
    case 'copy.out':
      return programs(
        'tar',
        ...(step.rsync ? ['rsync'] : []),
        ...(step.through.kind === 'ssh' ? [step.through.ssh.program] : []),
      );
    case 'share.serve':
      return servers(step.shares);
    case 'share.mount':
    case 'network.join':
    case 'guest.run':
    case 'guest.console':
      return programs(step.ssh.program);
    default:
      return [];
  }
}

/** Lookups of programs that start all others and lock directories. */
export const ALWAYS: readonly Lookup[] =
  process.platform === 'linux' ? programs('setpriv', 'sh', 'flock') : [];

function programs(...names: readonly string[]): Lookup[] {
  return names.map((name) => async () => findProgram(name));
}

function servers({ sshfs, virtiofs, sftpServer }: SharesSpec): Lookup[] {
  return [
    ...(sshfs.length > 0 ? [async () => findSftpServer(sftpServer)] : []),
    ...(virtiofs.length > 0 ? [findVirtiofsd, ...programs('unshare')] : []),
    ...virtiofs.map((folder) => async () => Promise.resolve(folder).then(refuseAsRoot)),
  ];
}
