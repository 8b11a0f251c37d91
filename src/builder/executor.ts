import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Executor, Executors, FindDisks } from '../plan/executor.ts';
import type { GuestShell } from '../transfer/guest-shell.ts';
import { prepareAppliance } from './appliance.ts';
import { Builder } from './machine.ts';

/** Executors of the builder's steps, and the running builders. */
export interface BuilderRoom {
  readonly executors: Pick<Executors, 'builder.boot' | 'builder.stop'>;
  readonly find: (vm: string) => GuestShell;
}

/** A builder that was booted and not yet stopped; undefined if the boot failed. */
interface Running {
  readonly directory: string;
  builder?: Builder;
}

/**
 * `runDirectory` is the private directory of this process; `disksOf` finds the disks of VMs that this process has
 * locked.
 */
export function builderRoom(runDirectory: string, disksOf: FindDisks): BuilderRoom {
  const running = new Map<string, Running>();
  let count = 0;

  const boot: Executor<'builder.boot'> = async (step, context) => {
    const { vm, readOnly, copies } = step;
    const directory = join(runDirectory, `builder${++count}`);
    await mkdir(directory, { mode: 0o700 });
    const entry: Running = { directory };
    running.set(vm, entry);
    const appliance = await prepareAppliance(step.builder, context);
    const disks = disksOf(vm);
    entry.builder = await Builder.boot({ appliance, disks, readOnly, copies, directory }, context.signal);
  };

  const stop: Executor<'builder.stop'> = async ({ vm }, { signal }) => {
    const entry = running.get(vm);
    running.delete(vm);
    if (entry === undefined) return;
    try {
      await entry.builder?.stop(signal);
    } finally {
      await entry.builder?.kill();
      await rm(entry.directory, { recursive: true, force: true });
    }
  };

  const find = (vm: string): GuestShell => {
    const builder = running.get(vm)?.builder;
    if (builder === undefined) throw new Error(`no builder runs for VM ${vm}`);
    return builder;
  };

  return { executors: { 'builder.boot': boot, 'builder.stop': stop }, find };
}
