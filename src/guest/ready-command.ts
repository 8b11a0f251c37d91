import { setTimeout as delay } from 'node:timers/promises';
import { limited } from '../host/deadline.ts';
import type { RunReadyCommand } from '../plan/step.ts';
import type { Problem } from '../problem.ts';
import type { ScriptResult, GuestShell } from '../transfer/guest-shell.ts';

/** Interval between two attempts, in milliseconds: each is a process in a busy guest. */
const INTERVAL = 500;

/** Maximum number of output lines shown from the last attempt. */
const MOST_LINES = 10;

/**
 * Runs the ready command in the guest until it exits with 0; reports its last output if it never does. `open` connects
 * to the guest within the same time limit.
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
      const shell = await open(until);
      for (;;) {
        last = await shell.run(command, until);
        if (last.code === 0) return;
        await delay(INTERVAL, undefined, { signal: until });
      }
    },
  );
}

function neverReady(command: string, timeout: number, last: ScriptResult | undefined): Problem {
  const how = last === undefined ? 'it never exited' : `exit code ${last.code}`;
  const lines = `${last?.stdout ?? ''}\n${last?.stderr ?? ''}`
    .split('\n')
    .filter((line) => line.trim() !== '');
  return {
    reason: 'guest',
    message: `the guest was not ready within ${timeout} s: ${command} did not succeed (${how})`,
    hint: 'raise the limit with ready-timeout, or try the command in the guest: transient ssh VM',
    ...(lines.length > 0
      ? { details: ['its last output:', ...lines.slice(-MOST_LINES).map((line) => `  ${line}`)] }
      : {}),
  };
}
