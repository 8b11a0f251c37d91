import type { Machine, StepContext } from '../plan/executor.ts';

/** Interval at which a console is looked at, in milliseconds. */
const INTERVAL = 500;

/** Reports the last line of a guest's serial console while the work is done. */
export async function reportingConsole<T>(
  { serialTail }: Pick<Machine, 'serialTail'>,
  { progress }: Pick<StepContext, 'progress'>,
  work: () => Promise<T>,
): Promise<T> {
  const report = async (): Promise<void> => {
    const latest = (await serialTail()).lines.at(-1);
    if (latest !== undefined) progress({ latest });
  };
  const timer = setInterval(() => void report(), INTERVAL);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
