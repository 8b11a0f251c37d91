import { isatty } from 'node:tty';
import { run } from '../host/run.ts';

/** Lends the terminal to a foreground step and takes it back as it was, however that step ended. */
export async function handTerminal(work: () => Promise<void>): Promise<void> {
  const before = await terminalState();
  try {
    await work();
  } finally {
    if (before !== undefined) await restore(before);
  }
}

/** The terminal's settings in the form that `stty` takes back; undefined where stdin is no terminal. */
async function terminalState(): Promise<string | undefined> {
  if (!isatty(0)) return undefined;
  const printed = await run('stty', ['-g'], { ownStdin: true }).catch(() => undefined);
  return printed?.stdout.trim();
}

/** A guest's console that was killed leaves the terminal raw, without echo and perhaps without a cursor. */
async function restore(state: string): Promise<void> {
  await run('stty', [state], { ownStdin: true }).catch(() => undefined);
}
