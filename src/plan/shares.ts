import { allFolders } from '../config/shares.ts';
import type { SharesSpec } from '../config/shares.ts';
import type { SshSpec } from '../config/ssh.ts';
import type { VmSpec } from '../config/vm-spec.ts';
import type { Step, StepId } from './step.ts';
import { folderFacts, programFact } from './facts.ts';
import { newStep } from './new-step.ts';

/** Tag by which a guest mounts a folder that is a device of its machine. */
export function shareTag(type: '9p' | 'virtiofs', index: number): string {
  return `transient-${type}-${index}`;
}

/** Steps for the shared folders of a VM, with those that undo them; empty without folders. */
export interface ShareSteps {
  /** Before it boots and after it has ended. */
  readonly serve: readonly Step[];
  readonly withdraw: readonly Step[];
  /** While it runs. */
  readonly mount: readonly Step[];
  readonly unmount: (after: readonly StepId[]) => readonly Step[];
}

export function shareSteps(
  { name: vm, shares }: Pick<VmSpec, 'name' | 'shares'>,
  ssh?: SshSpec,
  closesPort = false,
): ShareSteps {
  const all = allFolders(shares);
  const [folder] = all;
  if (folder === undefined || ssh === undefined)
    return { serve: [], withdraw: [], mount: [], unmount: () => [] };
  const alone = all.length === 1;
  const folders = alone ? 'a shared folder' : `${all.length} shared folders`;
  const [serve, mount] = [`${vm}/serve`, `${vm}/mount`];
  return {
    serve: [
      newStep({
        id: serve,
        kind: 'share.serve',
        phase: 'prepare',
        vm,
        title: `Prepare ${folders}`,
        detail: [shares.sshfs.length > 0 ? programFact('sftp-bin-name', shares.sftpServer) : ''],
        shares,
      }),
    ],
    withdraw: [
      newStep({
        id: `${vm}/withdraw`,
        kind: 'share.withdraw',
        phase: 'stop',
        vm,
        title: `Withdraw ${folders}`,
        after: [`${vm}/stop`],
        undoes: serve,
      }),
    ],
    mount: [
      newStep({
        id: mount,
        kind: 'share.mount',
        phase: 'ready',
        vm,
        title: alone ? `Mount ${folder.host} at ${folder.guest}` : `Mount ${folders}`,
        detail: [...folderFacts(shares, alone), closesPort ? 'then closes the port of ssh' : ''],
        needs: [`${vm}/ready`],
        programs: [ssh.program],
        ssh,
        shares,
        closesPort,
      }),
    ],
    unmount: (after) => [
      newStep({
        id: `${vm}/unmount`,
        kind: 'share.unmount',
        phase: 'stop',
        vm,
        title: `Unmount ${alone ? folder.guest : folders}`,
        after,
        undoes: mount,
      }),
    ],
  };
}

/** Folders shared as devices of the machine. */
export function deviceShares(shares: SharesSpec): Pick<SharesSpec, '9p' | 'virtiofs'> | undefined {
  const { '9p': plan9, virtiofs } = shares;
  return plan9.length + virtiofs.length > 0 ? { '9p': plan9, virtiofs } : undefined;
}
