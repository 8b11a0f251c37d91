import { noVm } from '../config/stored-problems.ts';
import type { Executor, Executors, FindDisks, OptionalResult, StepContext } from '../plan/executor.ts';
import type { CreateVm, LockVm, UnlockVm } from '../plan/step.ts';
import { TransientError } from '../problem.ts';
import { createVm, isStored, removeVm } from './store.ts';
import type { LockedVm } from './vm-lock.ts';
import { disksOfLocked, lockConfiguration, lockVm } from './vm-lock.ts';
import type { Supervisors } from './vm-stop.ts';
import { VmStop } from './vm-stop.ts';

type VmKind = 'vm.create' | 'vm.lock' | 'vm.unlock' | 'vm.stop' | 'vm.remove';

/** Stored VMs: the executors of steps on them, and the disks of those locked by this process. */
export class StoredVms {
  readonly executors: Pick<Executors, VmKind>;
  readonly #runDirectory: string;
  readonly #locked = new Map<string, LockedVm>();

  /** Disks of a locked VM. */
  readonly disks: FindDisks = disksOfLocked(this.#locked);

  /** `runDirectory` is the private directory of this process. */
  constructor(runDirectory: string, supervisors: Supervisors) {
    this.#runDirectory = runDirectory;
    const stop = new VmStop(supervisors);
    this.executors = {
      'vm.create': async (step, context) => this.#create(step, context),
      'vm.lock': async (step, context) => this.#lock(step, context),
      'vm.unlock': async (step) => this.#unlock(step),
      'vm.stop': async (step, context) => stop.execute(step, context),
      'vm.remove': remove,
    };
  }

  async #create(step: CreateVm, context: StepContext): Promise<OptionalResult> {
    const isNew = await createVm(step, context);
    if (isNew && step.announce) return { output: `Created VM '${step.name}'` };
  }

  async #lock(step: LockVm, context: StepContext): Promise<void> {
    const vm = await lockVm(step, this.#runDirectory);
    this.#locked.set(step.vm, vm);
    warnOfOtherImage(step, vm, context);
  }

  async #unlock({ vm }: UnlockVm): Promise<void> {
    await this.#locked.get(vm)?.release();
    this.#locked.delete(vm);
  }
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
