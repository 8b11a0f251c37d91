import type { RunSignals } from '../run/runner.ts';

/** How long a run may still take after its second signal, in milliseconds. */
const KILL_GRACE = 5000;

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** The only listeners for signals: the first ends the run in order, the second at once. */
export function listenForSignals(): RunSignals {
  const abort = new AbortController();
  const kill = new AbortController();
  let exitCode: number | undefined;
  for (const [signal, code] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      exitCode ??= code;
      if (abort.signal.aborted) endSoon(kill, exitCode);
      abort.abort();
    });
  }
  return { abort: abort.signal, kill: kill.signal, exitCode: () => exitCode };
}

/** After the second signal nothing may hold us up: what we started dies with us in any case. */
function endSoon(kill: AbortController, exitCode: number): void {
  if (kill.signal.aborted) process.exit(exitCode);
  kill.abort();
  setTimeout(() => process.exit(exitCode), KILL_GRACE).unref();
}
