import { setTimeout as delay } from 'node:timers/promises';
import { isAlive } from '../host/process-mark.ts';
import { sweepRunDirectories } from '../host/run-directory.ts';
import type { Hold, RunningVm } from '../host/running.ts';
import { holderOf, runningVms } from '../host/running.ts';
import type { Executor, Executors, FindDisks, StepContext } from '../plan/contract.ts';
import type { LockVm, StopVm } from '../plan/step.ts';
import { TransientError, errorCode } from '../problem.ts';
import type { HeldVm } from './held.ts';
import { disksOfHeld, holdVm, lockVm, noVm } from './held.ts';
import { createVm, isStored, removeVm } from './store.ts';

type VmKind = 'vm.create' | 'vm.lock' | 'vm.unlock' | 'vm.stop' | 'vm.remove';

/** The executors of steps on stored VMs, and the disks of those that we hold. */
export interface VmRoom {
  readonly executors: Pick<Executors, VmKind>;
  readonly disks: FindDisks;
}

/** Time between two looks whether a process is gone, in milliseconds. */
const INTERVAL = 20;

/** `runDirectory` is the private directory of this process. */
export function vmRoom(runDirectory: string): VmRoom {
  const held = new Map<string, HeldVm>();

  const create: Executor<'vm.create'> = async (step, { signal }) => {
    const isNew = await createVm(step, signal);
    return isNew && step.announce ? { said: `Created VM '${step.name}'` } : undefined;
  };

  const lock: Executor<'vm.lock'> = async (step, context) => {
    const vm = await holdVm(step, runDirectory);
    held.set(step.vm, vm);
    warnOfOtherImage(step, vm, context);
    return undefined;
  };

  const unlock: Executor<'vm.unlock'> = async ({ vm }) => {
    await held.get(vm)?.release();
    held.delete(vm);
    return undefined;
  };

  return {
    executors: {
      'vm.create': create,
      'vm.lock': lock,
      'vm.unlock': unlock,
      'vm.stop': stop,
      'vm.remove': remove,
    },
    disks: disksOfHeld(held),
  };
}

function warnOfOtherImage({ name, image }: LockVm, { disks }: HeldVm, { warn }: StepContext): void {
  const [first] = disks;
  if (image === undefined || first === undefined || first.image === image) return;
  warn({
    reason: 'conflict',
    message: `VM '${name}' was created from image '${first.image}'; image '${image}' is not used`,
    hint: `to have it from the other one, remove it first: transient rm ${name}`,
  });
}

const stop: Executor<'vm.stop'> = async (step, context) => {
  const { name, vmstore } = step;
  const running = await runningVms(process.env, vmstore);
  const named = running.filter((one) => one.name === name);
  const vms = named.length > 0 ? named : await starting(step);
  if (vms.length === 0) {
    if (step.ifRunning) return undefined;
    throw new TransientError({
      reason: 'unknown-reference',
      message: `No running VM found with the name '${name}'`,
      hint: 'transient ps lists what runs; "transient ps -a" what could be started',
    });
  }
  tellOfOthers(vms, running, context);
  for (const { owner } of vms) signalOwner(step, owner.pid, context);
  const processes = vms.flatMap((vm) => ('qemu' in vm ? [vm.owner, vm.qemu] : [vm.owner]));
  while (processes.some(isAlive)) await delay(INTERVAL, undefined, { signal: context.signal });
  // nobody else will: its owner had no time to clean up
  if (step.kill) await sweepRunDirectories(process.env);
  return undefined;
};

/** A run that has the VM already, and has not booted it yet. */
async function starting({ name, vmstore }: StopVm): Promise<Hold[]> {
  const holder = await holderOf(process.env, vmstore, name);
  return holder?.purpose === 'run' ? [holder] : [];
}

function tellOfOthers(
  vms: readonly (RunningVm | Hold)[],
  running: readonly RunningVm[],
  { note }: StepContext,
): void {
  const owners = new Set(vms.map((vm) => vm.owner.pid));
  const names = new Set(vms.map((vm) => vm.name));
  const others = running.filter((one) => owners.has(one.owner.pid) && !names.has(one.name));
  if (others.length === 0) return;
  const listed = others.map((one) => `'${one.name}'`).join(', ');
  note(
    `The run of ${[...names].map((name) => `VM '${name}'`).join(', ')} ends as a whole, and with it ${listed}`,
  );
}

function signalOwner({ name, kill }: StopVm, pid: number, { note }: StepContext): void {
  note(
    kill ? `Killing process ${pid}, which runs VM '${name}'` : `Asking process ${pid} to end VM '${name}'`,
  );
  try {
    process.kill(pid, kill ? 'SIGKILL' : 'SIGTERM');
    // one that was suspended (^Z) hears of it only when it goes on
    process.kill(pid, 'SIGCONT');
  } catch (cause) {
    if (errorCode(cause) === 'ESRCH') return;
    const message = `cannot send a signal to process ${pid}, which runs VM '${name}': it belongs to another user`;
    throw new TransientError({ reason: 'host', message }, { cause });
  }
}

const remove: Executor<'vm.remove'> = async ({ name, vmstore }, { signal }) => {
  if (!(await isStored(vmstore, name))) throw noVm(name);
  const release = await lockVm(vmstore, name).catch((error: unknown) => {
    // what has no configuration cannot be locked, nor used by anybody
    if (error instanceof TransientError && error.problem.reason === 'unreadable') return undefined;
    throw error;
  });
  try {
    await removeVm(vmstore, name, signal);
  } catch (error) {
    // somebody else removed it meanwhile
    if (errorCode(error) !== 'ENOENT' || (await isStored(vmstore, name))) throw error;
    throw noVm(name);
  } finally {
    await release?.();
  }
  return undefined;
};
