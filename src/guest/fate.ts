import { setTimeout as delay } from 'node:timers/promises';
import { linked, patience } from '../host/deadline.ts';
import type { GuestFate, Machine, MachineEnd, SerialTail, StepContext } from '../plan/executor.ts';
import { serialExcerpt } from '../plan/serial-excerpt.ts';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';

/** A session whose connection was lost: how its command ended is unknown. */
export class ConnectionLost extends Error {
  readonly how: 'stopped responding' | 'closed the connection';

  constructor(how: ConnectionLost['how']) {
    super(`the guest ${how}`);
    this.how = how;
  }
}

/** A guest that disappeared in the middle of an operation. */
export class GuestGone extends TransientError {
  readonly how: string;

  constructor(how: string, problem: Problem, cause: unknown) {
    super(problem, { cause });
    this.how = how;
  }
}

/**
 * Runs an operation in a guest as long as that is alive. Rejects if the guest reboots, powers off, panics or stops
 * responding; `what` describes the operation, as the end of a sentence: `while "make test" ran`.
 */
export async function whileAlive<T>(
  machine: Machine,
  what: string,
  { signal }: Pick<StepContext, 'signal'>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  using scope = linked(signal);
  let fate: GuestFate | undefined;
  let end: MachineEnd | undefined;
  // an operation that has ended may still report how
  const endSoon = (): void => void setTimeout(() => scope.abort(), patience('guest-last-words')).unref();
  const forget = machine.onFate((one) => {
    fate ??= one;
    endSoon();
  });
  void machine.ended.then((one) => {
    end = one;
    endSoon();
  });
  try {
    return await work(scope.signal);
  } catch (error) {
    if (signal.aborted) throw error;
    const loss = error instanceof ConnectionLost ? error : undefined;
    // a guest that shuts down cleanly closes its connections first
    if (loss?.how === 'closed the connection')
      fate ??= await fateWithin(machine, patience('guest-going-down'));
    const how = fate ?? (end ? END[end.problem ? 'failed' : 'orderly'] : loss?.how);
    if (how === undefined) throw error;
    machine.giveUp();
    throw new GuestGone(how, end?.problem ?? deathOf(how, what, await machine.serialTail()), error);
  } finally {
    forget();
  }
}

/** Handler of an error of {@link whileAlive}: a guest shut down in order from outside has not failed, and dependents have nothing to do. */
export function endedInOrder(error: unknown): { readonly ended: true } {
  if (error instanceof GuestGone && error.how === END.orderly) return { ended: true };
  throw error;
}

const END = { failed: 'failed', orderly: 'was switched off' } as const;

async function fateWithin(machine: Machine, milliseconds: number): Promise<GuestFate | undefined> {
  let forget = (): void => undefined;
  const fate = new Promise<GuestFate>((resolve) => (forget = machine.onFate(resolve)));
  try {
    const ended = machine.ended.then(() => undefined);
    return await Promise.race([fate, ended, delay(milliseconds, undefined, { ref: false })]);
  } finally {
    forget();
  }
}

function deathOf(how: string, what: string, tail: SerialTail): Problem {
  return { reason: 'guest', message: `the guest ${how} ${what}`, details: serialExcerpt(tail) };
}
