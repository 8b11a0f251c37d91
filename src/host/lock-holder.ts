import type { FileHandle } from 'node:fs/promises';
import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { lazily } from '../lazily.ts';
import { processIdentity } from './process-identity-schema.ts';
import { isAlive, identityOf } from './process-identity.ts';

/** Who holds a lock, as its holder writes into the file: /proc/locks names the `flock` that has long ended. */
const lockHolder = lazily(() =>
  z.object({
    owner: processIdentity(),
    /** What it does meanwhile, after "which is". */
    task: z.string(),
    /** Since when, as ISO time. */
    since: z.string(),
  }),
);

type LockHolder = z.infer<ReturnType<typeof lockHolder>>;

/** Writes into a lock's file that we hold it, for those who wait. */
export async function publishHolder(file: FileHandle, task: string): Promise<void> {
  const holder = { owner: identityOf(process.pid), task, since: new Date().toISOString() };
  await file.truncate(0);
  await file.writeFile(`${JSON.stringify(holder)}\n`);
}

/** The transient that holds a lock; undefined where that is another program, or none of this kernel's. */
export async function readHolder(path: string): Promise<LockHolder | undefined> {
  try {
    const text = await readFile(path, 'utf8');
    const holder = lockHolder().parse(JSON.parse(text));
    return isAlive(holder.owner) ? holder : undefined;
  } catch {
    return undefined;
  }
}
