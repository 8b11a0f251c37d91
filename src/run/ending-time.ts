import { patience } from '../host/deadline.ts';
import { vmsOf } from '../plan/graph.ts';
import type { Plan, Step } from '../plan/step.ts';

/** The part of the time for an ending that the shutdown of a guest has, in seconds; a longer shutdown-timeout adds to it. */
const SHUTDOWN = 20;

/**
 * How long a run may take to end after its first signal, in milliseconds. What the user gave more time gets it; copies out
 * of a VM that has ended come on top, since they begin only then.
 */
export function endingTime({ steps }: Plan): number {
  const perVm = vmsOf(steps).map((vm) => furtherTime(steps.filter((step) => step.vm === vm)));
  return patience('ending') + Math.max(0, ...perVm);
}

function furtherTime(steps: readonly Step[]): number {
  const times = steps.map((step) => {
    if (step.kind === 'machine.stop' && step.ending.kind === 'orderly')
      return Math.max(0, step.ending.timeout - SHUTDOWN) * 1000;
    if (step.kind === 'copy.out' && step.timeout !== undefined) return step.timeout * 1000;
    // the builder is booted for all copies that have no time of their own
    return step.kind === 'builder.boot' && step.always === true ? patience('ending') : 0;
  });
  return times.reduce((sum, time) => sum + time, 0);
}
