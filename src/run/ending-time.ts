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
  const perVm = vmsOf(steps).map((vm) =>
    steps.reduce((sum, step) => sum + (step.vm === vm ? furtherTime(step) : 0), 0),
  );
  return patience('ending') + Math.max(0, ...perVm);
}

function furtherTime(step: Step): number {
  if ('ending' in step && step.ending.kind === 'orderly')
    return Math.max(0, step.ending.timeout - SHUTDOWN) * 1000;
  if (step.always !== true) return 0;
  if ('timeout' in step) return (step.timeout ?? 0) * 1000;
  // booting the builder is counted once for copies without a timeout
  return 'builder' in step ? patience('ending') : 0;
}
