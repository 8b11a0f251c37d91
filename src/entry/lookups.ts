import { builderProgram } from '../builder/args.ts';
import { findNeededPrograms } from '../builder/programs.ts';
import type { SharesSpec } from '../config/vm-spec.ts';
import { findProgram } from '../host/program.ts';
import type { Step } from '../plan/step.ts';
import { findSftpServer } from '../share/sftp-server.ts';
import { findVirtiofsd, refuseAsRoot } from '../share/virtiofsd.ts';

/** Looks for a program of the host, or whether it may be run at all, and throws where it cannot. */
export type Lookup = () => Promise<unknown>;

/** The lookups of the programs that a step runs, as far as that is known before it does. */
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
        // an initramfs of the user's has its own programs in it
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

/** Programs by which all others are started and directories are locked. */
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
