import type { Problem } from '../problem.ts';
import { limited, patience } from './deadline.ts';
import { duration } from './duration.ts';
import { readHolder } from './lock-holder.ts';
import type { Lock } from './lock.ts';
import { lockFile } from './lock.ts';

/** What a lock is wanted for, and whoever waits for it. */
export interface LockRequest {
  /** What we do while we hold it, as it stands after "which is": "retrieving image 'base'". */
  readonly task: string;
  readonly signal: AbortSignal;
  /** Hears which process is waited for. */
  readonly note: (line: string) => void;
}

/** Whoever waits for less than this hears nothing of it, in milliseconds. */
const FIRST_NOTE = 1000;

/** Until the second note, in milliseconds; each further one comes after twice as long. */
const SECOND_NOTE = 60_000;

/** Takes a lock in its turn, and tells whom it waits for. */
export async function lockInTurn(path: string, { task, signal, note }: LockRequest): Promise<Lock> {
  const time = patience('lock');
  const late = async (): Promise<Problem> => ({
    reason: 'conflict',
    message: `gave up after waiting ${duration(time)} for ${await holderOf(path)}`,
    hint: 'look what that process does, end it where it hangs, and run the command again',
  });
  const endNotes = notesWhileWaiting(path, note);
  const lock = await limited(signal, time, late, (ending) =>
    lockFile(path, { signal: ending, task }),
  ).finally(endNotes);
  if (lock === undefined) throw new Error(`flock ended without the lock of ${path}`);
  return lock;
}

/** Tells whom we wait for from time to time; returns how that is ended. */
function notesWhileWaiting(path: string, note: (line: string) => void): () => void {
  let timer: NodeJS.Timeout;
  let isOver = false;
  const notify = async (next: number): Promise<void> => {
    const holder = await holderOf(path);
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

/** Who holds a lock, in words. */
async function holderOf(path: string): Promise<string> {
  const holder = await readHolder(path);
  if (holder === undefined) return `another process, which holds the lock ${path}`;
  const { owner, task, since } = holder;
  return `process ${owner.pid}, which is ${task} (for ${duration(Date.now() - Date.parse(since))} so far)`;
}
