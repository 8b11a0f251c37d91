import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Executors, FindDisks, StepContext } from '../plan/executor.ts';
import type { BootBuilder, StopBuilder } from '../plan/step.ts';
import type { GuestShell } from '../transfer/guest-shell.ts';
import { prepareAppliance } from './appliance.ts';
import { Builder } from './machine.ts';

/** A builder that was booted and not yet stopped; undefined if the boot failed. */
interface Running {
  readonly directory: string;
  builder?: Builder;
}

/** Builder VMs of this process by the VM whose disks they have. */
export class Builders {
  readonly executors: Pick<Executors, 'builder.boot' | 'builder.stop'> = {
    'builder.boot': async (step, context) => this.#boot(step, context),
    'builder.stop': async (step, context) => this.#stop(step, context),
  };
  readonly #runDirectory: string;
  readonly #disksOf: FindDisks;
  readonly #running = new Map<string, Running>();
  #count = 0;

  /** `runDirectory` is the private directory of this process; `disksOf` finds the disks of VMs that it has locked. */
  constructor(runDirectory: string, disksOf: FindDisks) {
    this.#runDirectory = runDirectory;
    this.#disksOf = disksOf;
  }

  /** A shell in the disks of a VM. */
  find(vm: string): GuestShell {
    const builder = this.#running.get(vm)?.builder;
    if (builder === undefined) throw new Error(`no builder runs for VM ${vm}`);
    return builder;
  }

  async #boot(step: BootBuilder, context: StepContext): Promise<void> {
    const { vm, readOnly, copies } = step;
    const directory = join(this.#runDirectory, `builder${++this.#count}`);
    await mkdir(directory, { mode: 0o700 });
    const entry: Running = { directory };
    this.#running.set(vm, entry);
    const appliance = await prepareAppliance(step.builder, context);
    const disks = this.#disksOf(vm);
    entry.builder = await Builder.boot({ appliance, disks, readOnly, copies, directory }, context.signal);
  }

  async #stop({ vm }: StopBuilder, { signal }: StepContext): Promise<void> {
    const entry = this.#running.get(vm);
    this.#running.delete(vm);
    if (entry === undefined) return;
    try {
      await entry.builder?.stop(signal);
    } finally {
      await entry.builder?.kill();
      await rm(entry.directory, { recursive: true, force: true });
    }
  }
}
