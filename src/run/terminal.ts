import { isatty } from 'node:tty';
import { run } from '../host/run.ts';

/** Hands the terminal to a foreground step and restores its settings afterwards. */
export async function handTerminal(work: () => Promise<void>): Promise<void> {
  const before = await terminalState();
  try {
    await work();
  } finally {
    if (before !== undefined) await restore(before);
  }
}

/** Terminal settings as `stty -g` prints them; undefined if stdin is not a terminal. */
async function terminalState(): Promise<string | undefined> {
  if (!isatty(0)) return undefined;
  const printed = await run('stty', ['-g'], { inheritStdin: true }).catch(() => undefined);
  return printed?.stdout.trim();
}

/** Restores the terminal after a console, which if killed leaves it raw, without echo or a cursor. */
async function restore(state: string): Promise<void> {
  await run('stty', [state], { inheritStdin: true }).catch(() => undefined);
}
