import { isLockedFile } from '../host/lock.ts';
import type { SupervisedVm } from '../host/projects.ts';
import { endedVms } from '../host/projects.ts';
import type { RunningVm } from '../host/vm-registry.ts';
import { runningVms } from '../host/vm-registry.ts';
import type { StoredVmFacts } from './store.ts';
import { listVms } from './store.ts';

/** One line of `ps`; times as ISO time, the port of 127.0.0.1. */
export interface VmRow {
  readonly name: string;
  readonly images: readonly string[];
  /**
   * `in-use`: somebody has it who does not tell us of it. `broken`: it cannot be started, only removed. `ended`: it ran
   * detached, and ended by itself.
   */
  readonly status: 'running' | 'in-use' | 'offline' | 'broken' | 'ended';
  readonly stored: boolean;
  readonly started?: string;
  readonly created?: string;
  /** The process of QEMU, and that of the transient that runs it. */
  readonly pid?: number;
  readonly owner?: number;
  /** The port is missing where it lets nobody in any more: `transient ssh` goes by its owner's login. */
  readonly ssh?: { readonly port?: number; readonly user: string };
  /** Ports of the host that lead to ports of the guest. */
  readonly forwards: RunningVm['forwards'];
}

/** The VMs of a store that run, and, with `all`, those that do not, by name. */
export async function vmRows(
  environment: NodeJS.ProcessEnv,
  vmstore: string,
  all: boolean,
): Promise<VmRow[]> {
  const running = [
    ...(await runningVms(environment, vmstore)).map(runningRow),
    ...(await endedVms(environment)).map(endedRow),
  ];
  if (!all) return running;
  const names = new Set(running.filter((row) => row.stored).map((row) => row.name));
  const others = (await listVms(vmstore)).filter((vm) => !names.has(vm.name)).map(storedRow);
  return [...running, ...others].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function runningRow({ name, images, stored, since, qemu, owner, ssh, forwards }: RunningVm): VmRow {
  return {
    name,
    images,
    status: 'running',
    stored,
    started: since,
    pid: qemu.pid,
    owner: owner.pid,
    ...(ssh ? { ssh: { ...(ssh.sharedLogin === undefined ? { port: ssh.port } : {}), user: ssh.user } } : {}),
    forwards,
  };
}

function endedRow({ instance }: SupervisedVm): VmRow {
  return { name: instance, images: [], status: 'ended', stored: false, forwards: [] };
}

function storedRow({ name, disks, created, config }: StoredVmFacts): VmRow {
  return {
    name,
    images: disks.map((disk) => disk.image),
    status: statusOf(disks.length, config),
    stored: true,
    created: created.toISOString(),
    forwards: [],
  };
}

function statusOf(disks: number, config: StoredVmFacts['config']): VmRow['status'] {
  if (config === undefined || disks === 0) return 'broken';
  return isLockedFile(config) ? 'in-use' : 'offline';
}
