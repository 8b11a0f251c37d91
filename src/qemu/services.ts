import type { Machine, StepContext } from '../plan/executor.ts';
import { serialExcerpt } from '../plan/serial-excerpt.ts';
import { TransientError } from '../problem.ts';

/** Waits until a service ends by itself; a service whose guest panicked has failed. */
export async function awaitService(vm: string, machine: Machine, note: StepContext['note']): Promise<void> {
  let forget = (): void => undefined;
  const panicked = new Promise<'panicked'>((resolve) => {
    forget = machine.onFate((fate) => {
      if (fate === 'panicked') resolve(fate);
      if (fate === 'rebooted') note(`VM ${vm} has rebooted`);
    });
  });
  const end = await Promise.race([machine.ended, panicked]);
  forget();
  if (end === 'panicked') throw await servicePanicked(vm, machine);
  if (end.problem) throw new TransientError(end.problem);
  note(`VM ${vm} has ended by itself`);
}

async function servicePanicked(vm: string, machine: Machine): Promise<TransientError> {
  return new TransientError({
    reason: 'guest',
    message: 'the guest panicked',
    where: { kind: 'vm', vm },
    details: serialExcerpt(await machine.serialTail()),
  });
}
