import { limited } from '../host/deadline.ts';
import type { StepContext } from '../plan/executor.ts';
import { serialExcerpt } from '../plan/serial-excerpt.ts';
import type { Machine } from '../plan/executor.ts';
import type { AwaitCloudInit } from '../plan/step.ts';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';
import type { GuestShell } from '../transfer/guest-shell.ts';

/** Waits for cloud-init, then prints what it has to tell; exits as the wait did. */
const SCRIPT = 'cloud-init status --wait >/dev/null 2>&1; code=$?; cloud-init status --long 2>&1; exit $code';

/** Exit codes of `cloud-init status` (cloud-init, CLI). */
const FAILED = 1;
const RECOVERABLE = 2;

const LOGS = 'the guest has more in /var/log/cloud-init.log and cloud-init-output.log';

/** Maximum number of lines of its status that are shown. */
const MOST_LINES = 40;

/** Waits until cloud-init has ended; `open` connects to the guest within the same time limit. */
export async function awaitCloudInit(
  { timeout, vm }: AwaitCloudInit,
  { serialTail }: Pick<Machine, 'serialTail'>,
  open: (signal: AbortSignal) => Promise<Pick<GuestShell, 'run'>>,
  { signal, warn }: Pick<StepContext, 'signal' | 'warn'>,
): Promise<void> {
  const { code, stdout } = await limited(
    signal,
    timeout * 1000,
    async () => late(timeout, serialExcerpt(await serialTail())),
    async (until) => (await open(until)).run(SCRIPT, until),
  );
  const details = statusLines(stdout);
  if (code === RECOVERABLE) warn({ ...withErrors(details), where: { kind: 'vm', vm } });
  else if (code === FAILED) throw new TransientError(failure(details));
  else if (code !== 0) throw new TransientError(unknownEnd(code, details));
}

function statusLines(status: string): string[] {
  const lines = status.split('\n').filter((line) => line.trim() !== '');
  return lines.length === 0
    ? []
    : ['its status:', ...lines.slice(0, MOST_LINES).map((line) => `  ${line.replaceAll('\t', '  ')}`)];
}

function late(timeout: number, details: readonly string[]): Problem {
  return {
    reason: 'guest',
    message: `cloud-init did not end within ${timeout} s`,
    hint: `raise the limit with --cloud-init-timeout; ${LOGS}`,
    details,
  };
}

function withErrors(details: readonly string[]): Problem {
  return {
    reason: 'guest',
    message: 'cloud-init has ended with recoverable errors',
    hint: LOGS,
    details,
  };
}

function failure(details: readonly string[]): Problem {
  return {
    reason: 'guest',
    message: 'cloud-init failed in the guest',
    hint: `${LOGS}; without wait-for, the VM counts as ready once it accepts a login`,
    details,
  };
}

function unknownEnd(code: number, details: readonly string[]): Problem {
  return {
    reason: 'guest',
    message: `cannot wait for cloud-init: "cloud-init status" exited with ${code}`,
    hint: 'the image must have cloud-init 17.2 or newer; omit wait-for for one that has another program in its place',
    details,
  };
}
