import { setTimeout as delay } from 'node:timers/promises';

const INTERVAL = 10;
const PATIENCE = 10_000;

/** Waits for what sends no event, such as the end of a process that is not our child. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  /** In milliseconds. */
  patience = PATIENCE,
): Promise<T> {
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await delay(INTERVAL);
  }
}
