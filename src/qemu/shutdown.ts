import type { ShutdownMode } from '../config/shutdown.ts';
import type { StepContext } from '../plan/executor.ts';
import type { Problem } from '../problem.ts';
import type { GuestWatch } from './guest-watch.ts';
import type { Qemu } from './machine.ts';

/** Shuts QEMU down, cleanly if that matters and the guest still responds. */
export async function shutDown(
  qemu: Qemu,
  watch: GuestWatch,
  vm: string,
  ending: ShutdownMode,
  { signal, note, warn }: StepContext,
): Promise<void> {
  if (ending.kind === 'at-once') return qemu.quit();
  if (watch.isGivenUp) {
    if (!watch.hasPanicked && !qemu.isOver) note(`VM ${vm} does not respond; terminating it`);
    return qemu.terminate();
  }
  const outcome = await qemu.powerDown(ending.timeout, signal);
  if (outcome === 'too-slow') warn(tooSlow(vm, ending.timeout));
  if (outcome === 'no-answer') note(`VM ${vm} did not respond; it was terminated`);
}

function tooSlow(vm: string, timeout: number): Problem {
  return {
    reason: 'machine',
    message: `the guest did not shut down within ${timeout} s and was terminated`,
    where: { kind: 'vm', vm },
    hint: 'raise the limit with --shutdown-timeout',
  };
}
