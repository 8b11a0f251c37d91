import type { FileHandle } from 'node:fs/promises';
import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { lazily } from '../lazily.ts';
import { processIdentity } from './process-identity-schema.ts';
import { isAlive, identityOf } from './process-identity.ts';

/** Holder of a lock, as recorded in its file: /proc/locks names the `flock` process, which has exited. */
const lockHolder = lazily(() =>
  z.object({
    owner: processIdentity(),
    /** Its task, to follow "which is". */
    task: z.string(),
    /** Since when, as ISO time. */
    since: z.string(),
  }),
);

type LockHolder = z.infer<ReturnType<typeof lockHolder>>;

/** Records in a lock file that we hold it, for waiting processes. */
export async function publishHolder(file: FileHandle, task: string): Promise<void> {
  const holder = { owner: identityOf(process.pid), task, since: new Date().toISOString() };
  await file.truncate(0);
  await file.writeFile(`${JSON.stringify(holder)}\n`);
}

/** The transient process that holds a lock; undefined for another program, or a process of another kernel. */
export async function readHolder(path: string): Promise<LockHolder | undefined> {
  try {
    const text = await readFile(path, 'utf8');
    const holder = lockHolder().parse(JSON.parse(text));
    return isAlive(holder.owner) ? holder : undefined;
  } catch {
    return undefined;
  }
}
