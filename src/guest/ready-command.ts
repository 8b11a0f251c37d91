import { setTimeout as delay } from 'node:timers/promises';
import { limited } from '../host/deadline.ts';
import type { RunReadyCommand } from '../plan/step.ts';
import type { Problem } from '../problem.ts';
import type { ScriptResult, GuestShell } from '../transfer/guest-shell.ts';

/** Time between two tries, in milliseconds: each is a process of a guest that is busy already. */
const INTERVAL = 500;

/** More lines than these of the last try are not shown. */
const MOST_LINES = 10;

/**
 * Tries the guest's own command until it exits with 0; says what it last said when it never does. `open` reaches the guest,
 * within the same time.
 */
export async function awaitReadyCommand(
  { command, timeout }: RunReadyCommand,
  open: (signal: AbortSignal) => Promise<Pick<GuestShell, 'run'>>,
  signal: AbortSignal,
): Promise<void> {
  let last: ScriptResult | undefined;
  await limited(
    signal,
    timeout * 1000,
    () => neverReady(command, timeout, last),
    async (until) => {
      const far = await open(until);
      for (;;) {
        last = await far.run(command, until);
        if (last.code === 0) return;
        await delay(INTERVAL, undefined, { signal: until });
      }
    },
  );
}

function neverReady(command: string, timeout: number, last: ScriptResult | undefined): Problem {
  const how = last === undefined ? 'it has not ended once' : `exit code ${last.code}`;
  const lines = `${last?.stdout ?? ''}\n${last?.stderr ?? ''}`
    .split('\n')
    .filter((line) => line.trim() !== '');
  return {
    reason: 'guest',
    message: `the guest was not ready within ${timeout} s: ${command} did not succeed (${how})`,
    hint: 'give it more time with ready-timeout, or try the command in the guest: transient ssh VM',
    ...(lines.length > 0
      ? { details: ['what it last said:', ...lines.slice(-MOST_LINES).map((line) => `  ${line}`)] }
      : {}),
  };
}
