import { isLockedFile } from '../host/lock.ts';
import type { RunningVm } from '../host/vm-registry.ts';
import { runningVms } from '../host/vm-registry.ts';
import type { StoredVmFacts } from './store.ts';
import { listVms } from './store.ts';

/** A row of `ps`; times as ISO time, ports of 127.0.0.1. */
export interface VmRow {
  readonly name: string;
  readonly images: readonly string[];
  /**
   * `in-use`: locked by a process that is not in our registry. `broken`: cannot be started, only removed. `ended`: ran
   * detached and ended by itself.
   */
  readonly status: 'running' | 'in-use' | 'offline' | 'broken' | 'ended';
  readonly stored: boolean;
  readonly started?: string;
  readonly created?: string;
  /** Process id of QEMU, and of the transient process that runs it. */
  readonly pid?: number;
  readonly owner?: number;
  /** `port` is missing once it accepts no more logins: `transient ssh` uses the owner's connection. */
  readonly ssh?: { readonly port?: number; readonly user: string };
  /** Host ports forwarded to guest ports. */
  readonly forwards: RunningVm['forwards'];
}

/** Lists the running VMs of a store by name and the `ended` ones, and with `all` the others too. */
export async function vmRows(
  environment: NodeJS.ProcessEnv,
  vmstore: string,
  ended: readonly string[],
  all: boolean,
): Promise<VmRow[]> {
  const running = [...runningVms(environment, vmstore).map(runningRow), ...ended.map(endedRow)];
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

function endedRow(name: string): VmRow {
  return { name, images: [], status: 'ended', stored: false, forwards: [] };
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
