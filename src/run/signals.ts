import { closeSync, openSync } from 'node:fs';
import { patience } from '../host/deadline.ts';
import type { RunSignals } from './runner.ts';

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/**
 * The only signal listeners: the first signal ends the run in order, the second at once. Signals in `ignored` have no
 * effect.
 */
export function listenForSignals({ ignored = [] }: { ignored?: readonly string[] } = {}): RunSignals {
  const abort = new AbortController();
  const kill = new AbortController();
  let exitCode: number | undefined;
  for (const [signal, code] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      if (ignored.includes(signal)) return;
      exitCode ??= code;
      // also tells main not to wait for a stalled reader
      process.exitCode = exitCode;
      if (signal === 'SIGHUP') leaveTerminal();
      if (abort.signal.aborted) endSoon(kill, exitCode);
      abort.abort();
    });
  }
  const again = process.stderr.isTTY ? 'press ^C again' : 'send a second signal';
  return { abort: abort.signal, kill: kill.signal, exitCode: () => exitCode, again };
}

/** Exits soon after the second signal; remaining clean-up runs on exit. */
function endSoon(kill: AbortController, exitCode: number): void {
  if (kill.signal.aborted) process.exit(exitCode);
  kill.abort();
  setTimeout(() => process.exit(exitCode), patience('exit')).unref();
}

/**
 * Replaces the descriptors of a closed terminal: Node resets the terminals among its first three descriptors on exit and
 * crashes if that fails.
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
