import { builderProgram } from './builder/args.ts';
import { findNeededPrograms } from './builder/programs.ts';
import type { BuilderSpec } from './config/copies.ts';
import type { SharesSpec } from './config/shares.ts';
import { findProgram } from './host/program.ts';
import type { Step } from './plan/step.ts';
import { findSftpServer } from './share/sftp-server.ts';
import { findVirtiofsd, refuseAsRoot } from './share/virtiofsd.ts';

/** Finds a host program or checks whether it may be run; throws otherwise. */
export type Lookup = () => Promise<unknown>;

/** Lookups of the programs that a step runs, as far as these are known in advance. */
export function lookupsOf(step: Step): readonly Lookup[] {
  return [
    ...programs(...step.programs),
    ...('builder' in step ? builderLookups(step.builder) : []),
    ...(step.kind === 'share.serve' ? serverLookups(step.shares) : []),
  ];
}

function builderLookups({ initrd }: BuilderSpec): Lookup[] {
  // a custom initramfs contains its own programs
  return [...programs(builderProgram()), ...(initrd === undefined ? [findNeededPrograms] : [])];
}

/** Lookups of programs that start all others and lock directories. */
export const ALWAYS: readonly Lookup[] =
  process.platform === 'linux' ? programs('setpriv', 'sh', 'flock') : [];

function programs(...names: readonly string[]): Lookup[] {
  return names.map((name) => async () => findProgram(name));
}

function serverLookups({ sshfs, virtiofs, sftpServer }: SharesSpec): Lookup[] {
  return [
    ...(sshfs.length > 0 ? [async () => findSftpServer(sftpServer)] : []),
    ...(virtiofs.length > 0 ? [findVirtiofsd, ...programs('unshare')] : []),
    ...virtiofs.map((folder) => async () => Promise.resolve(folder).then(refuseAsRoot)),
  ];
}
