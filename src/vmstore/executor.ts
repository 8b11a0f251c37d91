import { setTimeout as delay } from 'node:timers/promises';
import { noVm, notRunning } from '../config/stored-problems.ts';
import { limited, patience } from '../host/deadline.ts';
import { isAlive } from '../host/process-identity.ts';
import { sweepRunDirectories } from '../host/run-directory.ts';
import type { Hold, RunningVm } from '../host/vm-registry.ts';
import { askedFirst, holderOf, runningVms } from '../host/vm-registry.ts';
import type { Executor, Executors, FindDisks, StepContext } from '../plan/executor.ts';
import type { LockVm, StopVm } from '../plan/step.ts';
import type { Problem } from '../problem.ts';
import { TransientError, errorCode } from '../problem.ts';
import type { LockedVm } from './vm-lock.ts';
import { disksOfLocked, lockVm, lockConfiguration } from './vm-lock.ts';
import { createVm, isStored, removeVm } from './store.ts';

type VmKind = 'vm.create' | 'vm.lock' | 'vm.unlock' | 'vm.stop' | 'vm.remove';

/** Executors of steps on stored VMs, and the disks of the locked ones. */
export interface VmRoom {
  readonly executors: Pick<Executors, VmKind>;
  readonly disks: FindDisks;
}

/** Poll interval for the end of a process, in milliseconds. */
const INTERVAL = 20;

/** Processes that hold the VMs of detached projects. */
export interface Supervisors {
  readonly has: (pid: number) => boolean;
  /** Stops a VM; returns false if its owner does not supervise it. */
  readonly stop: (vm: RunningVm | Hold, context: StepContext) => Promise<boolean>;
}

/** `runDirectory` is the private directory of this process. */
export function vmRoom(runDirectory: string, supervisors: Supervisors): VmRoom {
  const locked = new Map<string, LockedVm>();

  const create: Executor<'vm.create'> = async (step, context) => {
    const isNew = await createVm(step, context);
    return isNew && step.announce ? { output: `Created VM '${step.name}'` } : undefined;
  };

  const lock: Executor<'vm.lock'> = async (step, context) => {
    const vm = await lockVm(step, runDirectory);
    locked.set(step.vm, vm);
    warnOfOtherImage(step, vm, context);
  };

  const unlock: Executor<'vm.unlock'> = async ({ vm }) => {
    await locked.get(vm)?.release();
    locked.delete(vm);
  };

  return {
    executors: {
      'vm.create': create,
      'vm.lock': lock,
      'vm.unlock': unlock,
      'vm.stop': stopExecutor(supervisors),
      'vm.remove': remove,
    },
    disks: disksOfLocked(locked),
  };
}

function warnOfOtherImage({ name, image }: LockVm, { disks }: LockedVm, { warn }: StepContext): void {
  const [first] = disks;
  if (image === undefined || first === undefined || first.image === image) return;
  warn({
    reason: 'conflict',
    message: `VM '${name}' was created from image '${first.image}'; image '${image}' is not used`,
    hint: `to create it from the other image, remove it first: transient rm ${name}`,
  });
}

/** Stops running VMs; an owner of several VMs is signalled once, since a second signal would make it less patient. */
function stopExecutor(supervisors: Supervisors): Executor<'vm.stop'> {
  const signalled = new Set<number>();
  return async (step, context) => {
    const running = runningVms(process.env, step.vmstore);
    const vms = toBeStopped(step, running);
    if (vms.length === 0) {
      if (step.ifRunning) return;
      throw new TransientError(notRunning(step.name, WHERE_TO_LOOK));
    }
    for (const vm of vms) {
      const { owner, run } = vm;
      if (supervisors.has(vm.owner.pid)) {
        if (step.kill && 'qemu' in vm) process.kill(vm.qemu.pid, 'SIGKILL');
        if (await supervisors.stop(vm, context)) continue;
      }
      if (signalled.has(owner.pid)) continue;
      signalled.add(owner.pid);
      noteOthers(step, owner.pid, running, context);
      // a second signal would cut the shutdown short that the first one requested
      if (step.kill || (await askedFirst({ run }))) signalOwner(step, owner.pid, context);
      else context.note(`Process ${owner.pid} is already stopping VM '${step.name}'`);
    }
    const processes = vms.flatMap((vm) => [
      ...(supervisors.has(vm.owner.pid) ? [] : [vm.owner]),
      ...('qemu' in vm ? [vm.qemu] : []),
    ]);
    await limited(
      context.signal,
      patience('vm-stop'),
      () => stillRuns(step.name, processes.find(isAlive)?.pid),
      async (signal) => {
        while (processes.some(isAlive)) await delay(INTERVAL, undefined, { signal });
      },
    );
    // its owner had no time to clean up
    if (step.kill) await sweepRunDirectories(process.env);
  };
}

function stillRuns(name: string, pid: number | undefined): Problem {
  return {
    reason: 'host',
    message: `process ${pid ?? 'unknown'}, which runs VM '${name}', did not stop it within ${patience('vm-stop') / 1000} s`,
    hint: `kill it: transient stop --kill ${name}`,
  };
}

const WHERE_TO_LOOK = '"transient ps" lists the running VMs, "transient ps -a" all';

/** Finds the VMs of a name that run or are about to. */
function toBeStopped(
  { name, vmstore, ifRunning }: StopVm,
  running: readonly RunningVm[],
): (RunningVm | Hold)[] {
  const named = running.filter((vm) => vm.name === name && (vm.stored || !ifRunning));
  if (named.length > 0) return named;
  const holder = holderOf(process.env, vmstore, name);
  return holder?.purpose === 'run' ? [holder] : [];
}

function noteOthers(
  { name, together }: StopVm,
  owner: number,
  running: readonly RunningVm[],
  { note }: StepContext,
): void {
  const others = running.filter((one) => one.owner.pid === owner && !together.includes(one.name));
  if (others.length === 0) return;
  const listed = others.map((one) => `'${one.name}'`).join(', ');
  note(`Stopping VM '${name}' also stops ${listed}: they belong to the same run`);
}

function signalOwner({ name, kill }: StopVm, pid: number, { note }: StepContext): void {
  note(
    kill ? `Killing process ${pid}, which runs VM '${name}'` : `Asking process ${pid} to stop VM '${name}'`,
  );
  try {
    process.kill(pid, kill ? 'SIGKILL' : 'SIGTERM');
    // a suspended process (^Z) receives the signal only when it continues
    process.kill(pid, 'SIGCONT');
  } catch (cause) {
    if (errorCode(cause) === 'ESRCH') return;
    const message = `cannot send a signal to process ${pid}, which runs VM '${name}': it belongs to another user`;
    throw new TransientError({ reason: 'host', message }, { cause });
  }
}

const remove: Executor<'vm.remove'> = async ({ name, vmstore }, context) => {
  if (!(await isStored(vmstore, name))) throw new TransientError(noVm(name));
  const take = async (): Promise<() => Promise<void>> => {
    // without a configuration it can be neither locked nor used
    return lockConfiguration(vmstore, name).catch((error: unknown) => {
      if (error instanceof TransientError && error.problem.reason === 'unreadable')
        return () => Promise.resolve();
      throw error;
    });
  };
  await removeVm(vmstore, name, take, context);
};
