import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { planText } from './plan-view.ts';
import { placeOf } from '../host/log-place.ts';
import type { Plan } from '../plan/step.ts';
import { TransientError, systemMessage } from '../problem.ts';

/**
 * Prepares the log directory of a run: writes the plan as text and JSON, and removes logs of an earlier run that QEMU will
 * write.
 */
export async function prepareLogDirectory(directory: string, plan: Plan): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
    for (const [name, form] of [
      ['plan.txt', 'tree'],
      ['plan.json', 'json'],
    ] as const) {
      // removed first: an earlier guest may have left a link to another file
      await rm(join(directory, name), { force: true });
      await writeFile(join(directory, name), planText(plan, form), { flag: 'wx' });
    }
    for (const step of plan.steps) {
      if ('serialLog' in step) await removeLog(step.serialLog);
    }
  } catch (error) {
    throw new TransientError({
      reason: 'host',
      message: `cannot write logs to ${directory}: ${systemMessage(error)}`,
      hint: 'name a writable directory with --log-dir',
    });
  }
}

async function removeLog(log: string): Promise<void> {
  const { path, previous } = placeOf(log);
  for (const one of [path, previous]) await rm(one, { force: true });
}
