import { patience } from '../host/deadline.ts';
import { vmsOf } from '../plan/graph.ts';
import type { Plan, Step } from '../plan/step.ts';

/** Part of the time limit reserved for the shutdown of a guest, in seconds; a longer shutdown-timeout extends it. */
const SHUTDOWN = 20;

/**
 * Time limit for the end of a run after its first signal, in milliseconds. Longer timeouts set by the user extend it, and
 * so do copies out of a stopped VM, since they start only then.
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
    // booting the builder is counted once for copies without a timeout
    return step.kind === 'builder.boot' && step.always === true ? patience('ending') : 0;
  });
  return times.reduce((sum, time) => sum + time, 0);
}
