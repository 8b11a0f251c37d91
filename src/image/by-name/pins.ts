import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImagePin } from '../../config/cloud-image.ts';
import { partsOfKeptName, splitRequest } from '../../config/cloud-image.ts';
import type { LockedImage } from '../../config/image-lock.ts';
import { lockFileText, readLockFile } from '../../config/image-lock.ts';
import { writeDurably } from '../../host/durable.ts';
import { exists } from '../../host/exists.ts';
import { lockInTurn } from '../../host/lock-queue.ts';
import type { StepContext } from '../../plan/executor.ts';
import type { ResolveImage } from '../../plan/step.ts';
import { TransientError, systemMessage, valueOrThrow } from '../../problem.ts';
import { CATALOG_DIRECTORY, lockFileIn } from './lookup.ts';

type Context = Pick<StepContext, 'signal' | 'note'>;

/** Pins the build of an image in a lock file. */
export async function recordPin(
  {
    name,
    architecture,
    lockFile,
    backend,
  }: Pick<ResolveImage, 'name' | 'architecture' | 'lockFile' | 'backend'>,
  pin: ImagePin,
  context: Context,
): Promise<void> {
  const date = new Date().toISOString().slice(0, 10);
  const isOther = (one: LockedImage): boolean => one.name !== name || one.architecture !== architecture;
  const change = (locked: readonly LockedImage[]): LockedImage[] => [
    ...locked.filter(isOther),
    { name, architecture, ...pin, date },
  ];
  await changeLockFile(lockFile, backend, change, context).catch((cause: unknown) => {
    if (cause instanceof TransientError || context.signal.aborted) throw cause;
    throw unwritable(lockFile, name, cause);
  });
}

/** Removes the pins of a backend to a build that is removed from it. */
export async function forgetPins(backend: string, keptName: string, context: Context): Promise<void> {
  const parts = partsOfKeptName(keptName);
  const lockFile = lockFileIn(backend);
  if (parts === undefined || !(await exists(lockFile))) return;
  const isPin = ({ name, architecture, build }: LockedImage): boolean =>
    splitRequest(name).name === parts.name && architecture === parts.architecture && build === parts.build;
  await changeLockFile(lockFile, backend, (locked) => locked.filter((one) => !isPin(one)), context);
}

/** Changes a lock file; processes that do so at the same time take turns. */
async function changeLockFile(
  lockFile: string,
  backend: string,
  change: (locked: readonly LockedImage[]) => readonly LockedImage[],
  context: Context,
): Promise<void> {
  const directory = join(backend, CATALOG_DIRECTORY);
  await mkdir(directory, { recursive: true });
  const lock = await lockInTurn(join(directory, 'writing.lock'), { task: `writing ${lockFile}`, ...context });
  try {
    await writeDurably(lockFile, lockFileText(change(valueOrThrow(readLockFile(lockFile)))));
  } finally {
    await lock.release();
  }
}

function unwritable(lockFile: string, image: string, cause: unknown): TransientError {
  return new TransientError(
    {
      reason: 'host',
      message: `cannot write ${lockFile}, which pins the build of image '${image}': ${systemMessage(cause)}`,
      hint: 'write it where the directory is writable, with "transient image update", and commit it',
    },
    { cause },
  );
}
