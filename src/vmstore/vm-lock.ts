import { chmod } from 'node:fs/promises';
import type { FindDisks } from '../plan/executor.ts';
import { noConfiguration, noVm } from '../config/stored-problems.ts';
import type { LockVm } from '../plan/step.ts';
import { lockKeptFile } from '../host/lock.ts';
import { vmPaths } from '../host/store-layout.ts';
import { holderOf, publishHold } from '../host/vm-registry.ts';
import { missingBacking } from '../image/users.ts';
import { TransientError, errorCode } from '../problem.ts';
import type { StoredDisk } from './store.ts';
import { disksOf, isStored } from './store.ts';

/** A stored VM that is locked until it is released. */
export interface LockedVm {
  readonly disks: readonly StoredDisk[];
  release: () => Promise<void>;
}

/** Locks a VM without waiting, and registers this process as its user. */
export async function lockVm(
  { name, vmstore, purpose }: Pick<LockVm, 'name' | 'vmstore' | 'purpose'>,
  runDirectory: string,
): Promise<LockedVm> {
  const release = await lockConfiguration(vmstore, name);
  try {
    const disks = await disksOf(vmstore, name);
    // VMs created by an earlier version or by the Python are world-readable
    await chmod(vmPaths(vmstore, name).directory, 0o700).catch(() => undefined);
    await refuseBroken(name, disks);
    const withdraw = await publishHold(runDirectory, { name, vmstore, purpose });
    return {
      disks,
      release: async () => {
        await withdraw();
        await release();
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Locks the configuration of a VM; returns a function that unlocks it. */
export async function lockConfiguration(vmstore: string, name: string): Promise<() => Promise<void>> {
  const { config } = vmPaths(vmstore, name);
  const lock = await lockKeptFile(config, { wait: false }).catch(async (error: unknown) => {
    if (errorCode(error) !== 'ENOENT') throw error;
    if (!(await isStored(vmstore, name))) throw new TransientError(noVm(name));
    // another VM of that name may have been created meanwhile
    const secondTry = await lockKeptFile(config, { wait: false }).catch(() => 'missing' as const);
    if (secondTry === 'missing') throw new TransientError(noConfiguration(name));
    return secondTry;
  });
  if (lock === undefined) throw inUse(vmstore, name);
  return () => lock.release();
}

function inUse(vmstore: string, name: string): TransientError {
  const holder = holderOf(process.env, vmstore, name);
  const { config } = vmPaths(vmstore, name);
  if (holder === undefined) {
    return new TransientError({
      reason: 'conflict',
      message: `VM '${name}' is in use by another process`,
      hint: `"fuser ${config}" may show which one; try again when it is done`,
    });
  }
  const since = holder.since.replace('T', ' ').slice(0, 19);
  return new TransientError({
    reason: 'conflict',
    message: `VM '${name}' is in use by process ${holder.owner.pid}, since ${since} UTC`,
    hint:
      holder.purpose === 'run'
        ? `connect to it with "transient ssh ${name}", or end it with "transient stop ${name}"`
        : `${holder.purpose === 'commit' ? 'an image is being created from it' : 'files are being copied to or from it'}: try again when it is done`,
  });
}

async function refuseBroken(name: string, disks: readonly StoredDisk[]): Promise<void> {
  if (disks[0]?.number !== 0) {
    throw new TransientError({
      reason: 'unreadable',
      message: `VM '${name}' has no first disk`,
      hint: `remove it and create it again: transient rm ${name}`,
    });
  }
  const missing = await Promise.all(disks.map(({ path }) => missingBacking(path)));
  const [backing] = missing.filter((path) => path !== undefined);
  if (backing === undefined) return;
  const disk = disks[missing.indexOf(backing)];
  throw new TransientError({
    reason: 'image',
    message: `VM '${name}' needs image '${disk?.image ?? ''}', which is missing: ${backing}`,
    hint: `pull the same image again (transient image pull), or remove the VM: transient rm ${name}`,
  });
}

/** Finds the disks of locked VMs, for the steps that run or copy them. */
export function disksOfLocked(locked: ReadonlyMap<string, LockedVm>): FindDisks {
  return (vm) => {
    const found = locked.get(vm);
    if (found === undefined) throw new Error(`VM ${vm} is not locked`);
    return found.disks.map((disk) => disk.path);
  };
}
