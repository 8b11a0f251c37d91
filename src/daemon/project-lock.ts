import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { patience, within } from '../host/deadline.ts';
import { readHolder } from '../host/lock-holder.ts';
import type { Lock } from '../host/lock.ts';
import { lockFile } from '../host/lock.ts';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';
import { findProject, projectLockName } from './registry.ts';

/** Poll interval for the record of a supervisor that has just started, in milliseconds. */
const INTERVAL = 20;

/** Takes the lock of a Transientfile, which has one supervisor, or finds the run directory of the one that holds it. */
export async function lockProject(
  runDirectory: string,
  file: string,
): Promise<{ readonly lock: Lock } | { readonly run: string }> {
  const path = join(dirname(runDirectory), projectLockName(file));
  using late = within(undefined, patience('supervisor-start'));
  for (;;) {
    const lock = await lockFile(path, { wait: false, task: `running ${file}` });
    if (lock !== undefined) return { lock };
    // its record may not be written yet
    const record = findProject(process.env, file);
    if (record !== undefined) return { run: record.run };
    if (late.signal.aborted)
      throw new TransientError(lockedByOther(path, file, (await readHolder(path))?.owner.pid));
    await delay(INTERVAL);
  }
}

function lockedByOther(path: string, file: string, pid: number | undefined): Problem {
  const holder = pid === undefined ? 'another process' : `process ${pid}`;
  return {
    reason: 'conflict',
    message: `${holder} has held the lock of ${file} for ${patience('supervisor-start') / 1000} s without running it`,
    hint: pid === undefined ? `"fuser ${path}" may show which one` : `stop it and try again: kill ${pid}`,
  };
}
