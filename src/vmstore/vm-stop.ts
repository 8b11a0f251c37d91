import { setTimeout as delay } from 'node:timers/promises';
import { notRunning } from '../config/stored-problems.ts';
import { limited, patience } from '../host/deadline.ts';
import { isAlive } from '../host/process-identity.ts';
import { sweepRunDirectories } from '../host/run-directory.ts';
import type { Hold, RunningVm } from '../host/vm-registry.ts';
import { askedFirst, holderOf, runningVms } from '../host/vm-registry.ts';
import type { StepContext } from '../plan/executor.ts';
import type { StopVm } from '../plan/step.ts';
import type { Problem } from '../problem.ts';
import { TransientError, errorCode } from '../problem.ts';

/** Poll interval for the end of a process, in milliseconds. */
const INTERVAL = 20;

/** Processes that hold the VMs of detached projects. */
export interface Supervisors {
  readonly has: (pid: number) => boolean;
  /** Stops a VM; returns false if its owner does not supervise it. */
  readonly stop: (vm: RunningVm | Hold, kill: boolean, context: StepContext) => Promise<boolean>;
}

/** Stops running VMs; an owner of several VMs is signalled once, since a second signal would make it less patient. */
export class VmStop {
  readonly #supervisors: Supervisors;
  readonly #signalled = new Set<number>();

  constructor(supervisors: Supervisors) {
    this.#supervisors = supervisors;
  }

  async execute(step: StopVm, context: StepContext): Promise<void> {
    const running = runningVms(process.env, step.vmstore);
    const vms = toBeStopped(step, running);
    if (vms.length === 0) {
      if (step.ifRunning) return;
      throw new TransientError(notRunning(step.name, WHERE_TO_LOOK));
    }
    for (const vm of vms) {
      const { owner, run } = vm;
      if (await this.#supervisors.stop(vm, step.kill, context)) continue;
      if (this.#signalled.has(owner.pid)) continue;
      this.#signalled.add(owner.pid);
      noteOthers(step, owner.pid, running, context);
      // a second signal would cut the shutdown short that the first one requested
      if (step.kill || (await askedFirst({ run }))) signalOwner(step, owner.pid, context);
      else context.note(`Process ${owner.pid} is already stopping VM '${step.name}'`);
    }
    const processes = vms.flatMap((vm) => [
      ...(this.#supervisors.has(vm.owner.pid) ? [] : [vm.owner]),
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
  }
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
