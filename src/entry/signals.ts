import { closeSync, openSync } from 'node:fs';
import { patience } from '../host/deadline.ts';
import type { RunSignals } from '../run/runner.ts';

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/**
 * The only listeners for signals: the first ends the run in order, the second at once. `ignored` are those that mean
 * nothing to this process.
 */
export function listenForSignals({ ignored = [] }: { ignored?: readonly string[] } = {}): RunSignals {
  const abort = new AbortController();
  const kill = new AbortController();
  let exitCode: number | undefined;
  for (const [signal, code] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      if (ignored.includes(signal)) return;
      exitCode ??= code;
      // tells main, too, that nobody waits for what is not read
      process.exitCode = exitCode;
      if (signal === 'SIGHUP') leaveTerminal();
      if (abort.signal.aborted) endSoon(kill, exitCode);
      abort.abort();
    });
  }
  const again = process.stderr.isTTY ? 'press ^C again' : 'send a second signal';
  return { abort: abort.signal, kill: kill.signal, exitCode: () => exitCode, again };
}

/** After the second signal nothing may hold us up: what is left then is cleaned up as the process exits. */
function endSoon(kill: AbortController, exitCode: number): void {
  if (kill.signal.aborted) process.exit(exitCode);
  kill.abort();
  setTimeout(() => process.exit(exitCode), patience('exit')).unref();
}

/**
 * Once the terminal is closed, nothing is left of it to read, to write, or to be reset: Node itself resets the terminals
 * among its first three descriptors as it exits, and crashes where that fails.
 */
function leaveTerminal(): void {
  process.once('exit', () => {
    for (const descriptor of [0, 1, 2]) {
      try {
        closeSync(descriptor);
        // the lowest free number is the one just closed
        openSync('/dev/null', 'r+');
      } catch {
        // it was closed before
      }
    }
  });
}
