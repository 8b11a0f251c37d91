import type { Problem } from '../problem.ts';
import { limited, patience } from './deadline.ts';
import { duration } from './duration.ts';
import { readHolder } from './lock-holder.ts';
import type { Lock } from './lock.ts';
import { lockFile } from './lock.ts';

/** Purpose of a lock, and callbacks while waiting. */
export interface LockRequest {
  /** Task while we hold it, to follow "which is": "retrieving image 'base'". */
  readonly task: string;
  readonly signal: AbortSignal;
  /** Called with the process that holds the lock. */
  readonly note: (line: string) => void;
}

/** Delay before the first note about waiting, in milliseconds. */
const FIRST_NOTE = 1000;

/** Delay before the second note, in milliseconds, doubled for each further one. */
const SECOND_NOTE = 60_000;

/** Takes a lock, printing notes about its holder while waiting. */
export async function lockInTurn(path: string, { task, signal, note }: LockRequest): Promise<Lock> {
  const time = patience('lock');
  const late = async (): Promise<Problem> => ({
    reason: 'conflict',
    message: `gave up after waiting ${duration(time)} for ${await holderText(path)}`,
    hint: 'check that process, stop it if it hangs, and run the command again',
  });
  const endNotes = notesWhileWaiting(path, note);
  const lock = await limited(signal, time, late, (ending) =>
    lockFile(path, { signal: ending, task }),
  ).finally(endNotes);
  if (lock === undefined) throw new Error(`flock ended without the lock of ${path}`);
  return lock;
}

/** Prints notes about the holder periodically; returns a function to stop. */
function notesWhileWaiting(path: string, note: (line: string) => void): () => void {
  let timer: NodeJS.Timeout;
  let isOver = false;
  const notify = async (next: number): Promise<void> => {
    const holder = await holderText(path);
    if (isOver) return;
    note(`Waiting for ${holder}`);
    timer = setTimeout(() => void notify(2 * next), next);
  };
  timer = setTimeout(() => void notify(SECOND_NOTE), FIRST_NOTE);
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}

/** Describes the holder of a lock. */
async function holderText(path: string): Promise<string> {
  const holder = await readHolder(path);
  if (holder === undefined) return `another process, which holds the lock ${path}`;
  const { owner, task, since } = holder;
  return `process ${owner.pid}, which is ${task} (for ${duration(Date.now() - Date.parse(since))} so far)`;
}
