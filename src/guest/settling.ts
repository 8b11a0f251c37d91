import { setTimeout as delay } from 'node:timers/promises';
import type { SettleGuest } from '../plan/step.ts';
import { TransientError } from '../problem.ts';
import type { Answer, Far } from '../transfer/far.ts';

/** Time between two tries, in milliseconds: each is a process of a guest that is busy already. */
const INTERVAL = 500;

/** More lines than these of the last try are not shown. */
const MOST_LINES = 10;

/** Tries the guest's own command until it exits with 0; says what it last said when it never does. */
export async function settleGuest(
  { command, timeout }: SettleGuest,
  far: Pick<Far, 'ask'>,
  signal: AbortSignal,
): Promise<void> {
  const late = AbortSignal.timeout(timeout * 1000);
  const until = AbortSignal.any([signal, late]);
  let last: Answer | undefined;
  try {
    for (;;) {
      last = await far.ask(command, until);
      if (last.code === 0) return;
      await delay(INTERVAL, undefined, { signal: until });
    }
  } catch (error) {
    if (!late.aborted || signal.aborted) throw error;
    throw neverReady(command, timeout, last);
  }
}

function neverReady(command: string, timeout: number, last: Answer | undefined): TransientError {
  const how = last === undefined ? 'it has not ended once' : `exit code ${last.code}`;
  const lines = `${last?.stdout ?? ''}\n${last?.stderr ?? ''}`
    .split('\n')
    .filter((line) => line.trim() !== '');
  return new TransientError({
    reason: 'guest',
    message: `the guest was not ready within ${timeout} s: ${command} did not succeed (${how})`,
    hint: 'give it more time with ready-timeout, or try the command in the guest: transient ssh VM',
    ...(lines.length > 0
      ? { details: ['what it last said:', ...lines.slice(-MOST_LINES).map((line) => `  ${line}`)] }
      : {}),
  });
}
