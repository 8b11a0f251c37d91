import { createHash, randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstat, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { onEarlyExit } from './last-resort.ts';
import { isAlive, identityOf, thisKernel } from './process-identity.ts';
import { removeTree, removeTreeNow } from './tree-removal.ts';

/** A private directory next to the final destination of a file. */
export interface Staging {
  readonly path: string;
  remove: () => Promise<void>;
}

/** Prefix of files in a run directory that name staging directories of its process. */
const NOTE = 'staging-';

/** Name of a staging directory: PID, start time, kernel and a random part identify its owner. */
const NAME = /^\.transient-(\d+)-(\d+)-([0-9a-f]{8})-[0-9a-f]{8}$/;

/** Whether a name is that of any staging directory. */
export function isStagingName(name: string): boolean {
  return NAME.test(name);
}

/** Age at which staging directories of another kernel or container are removed, in milliseconds. */
const ABANDONED = 7 * 24 * 3600 * 1000;

/** Creates a staging directory in `parent`, recorded in the run directory of this process in case we are killed. */
export async function openStaging(parent: string, runDirectory: string): Promise<Staging> {
  await sweepSiblings(parent);
  const path = join(resolve(parent), stagingName());
  const note = join(runDirectory, `${NOTE}${randomBytes(4).toString('hex')}`);
  const forget = onEarlyExit(() => removeTreeNow(path));
  const remove = async (): Promise<void> => {
    await removeTree(path);
    await rm(note, { force: true });
    forget();
  };
  // recorded first: an unrecorded directory would never be removed
  await writeFile(note, path, { mode: 0o600 });
  await mkdir(path, { mode: 0o700 }).catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  return { path, remove };
}

/** Removes the staging directories recorded in the run directory of a dead process. */
export async function sweepStagingOf(runDirectory: string): Promise<void> {
  const names = await readdir(runDirectory).catch(() => []);
  for (const name of names.filter((one) => one.startsWith(NOTE))) {
    const path = await readFile(join(runDirectory, name), 'utf8').catch(() => '');
    await sweepOne(path, () => true);
  }
}

/** Removes staging directories of dead processes from a directory. */
async function sweepSiblings(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  const stagingNames = names.filter(isStagingName);
  await Promise.all(stagingNames.map((name) => sweepOne(join(parent, name), isAbandoned)));
}

/** Removes a staging directory if it is one: a directory of this user with such a name. */
async function sweepOne(path: string, isDead: (name: string, found: Stats) => boolean): Promise<void> {
  const name = basename(path);
  if (!isStagingName(name)) return;
  const found = await lstat(path).catch(() => undefined);
  if (found?.isDirectory() !== true || found.uid !== process.getuid?.()) return;
  if (isDead(name, found)) await removeTree(path).catch(() => undefined);
}

function isAbandoned(name: string, { mtimeMs }: Stats): boolean {
  const [, pid, started, kernel] = NAME.exec(name) ?? [];
  if (kernel !== kernelId()) return Date.now() - mtimeMs > ABANDONED;
  return !isAlive({ pid: Number(pid), started: Number(started), ...thisKernel() });
}

function stagingName(): string {
  const { pid } = process;
  const started = identityOf(pid)?.started ?? 0;
  return `.transient-${pid}-${started}-${kernelId()}-${randomBytes(4).toString('hex')}`;
}

/** Short hash of the kernel's boot ID and our PID namespace. */
function kernelId(): string {
  const { boot, space } = thisKernel();
  return createHash('sha256').update(`${boot}\0${space}`).digest('hex').slice(0, 8);
}
