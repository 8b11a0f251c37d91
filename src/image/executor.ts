import { constants } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Catalog } from '../catalog/catalog.ts';
import type { CloudImage } from '../config/cloud-image.ts';
import type { ImageNeed } from '../config/vm-spec.ts';
import { imagePath } from '../host/store-layout.ts';
import { shownImageSource } from '../options/values/image-spec.ts';
import type { Executor, Executors, FindDisks, StepContext } from '../plan/executor.ts';
import type { CommitImage, RemoveImage } from '../plan/step.ts';
import { TransientError } from '../problem.ts';
import type { Fetched } from './fetch.ts';
import { fetchDisk, isFaultOfImage } from './fetch.ts';
import { identifyDisk, notUsable } from './format.ts';
import { keptBuilds } from './by-name/kept-builds.ts';
import { recordLockFile } from './by-name/lock-files.ts';
import { COMMIT, checkOrigin, forgetOrigin, recordOrigin, recordUse } from './origin.ts';
import { convertToQcow2, damageOfQcow2, inspectImage } from './qemu-img.ts';
import { forgetPins } from './by-name/pins.ts';
import { resolveImage } from './by-name/resolution.ts';
import type { WorkingImage } from './store.ts';
import { isStored, openWorkingImage, sweepBackend } from './store.ts';
import { sumOfFile } from './sums.ts';
import { imageSpace } from './unpack/image-space.ts';
import { vmsUsing } from './users.ts';
import { explainedByVendor } from './vendor/vanished-build.ts';

type ImageKind = 'image.resolve' | 'image.retrieve' | 'image.remove' | 'image.commit';

/** Executors of image steps; `disksOf` finds the disks of VMs that this process has locked. */
export function imageExecutors(disksOf: FindDisks): Pick<Executors, ImageKind> {
  const swept = new Map<string, Promise<void>>();
  const sweepOnce = (backend: string): Promise<void> => {
    const sweep = swept.get(backend) ?? sweepBackend(backend);
    swept.set(backend, sweep);
    return sweep;
  };
  const retrieve: Executor<'image.retrieve'> = async ({ image }, context) => {
    if (!(await isUsable(image, context.signal))) {
      await sweepOnce(image.backend);
      await retrieveMissing(image, context);
    }
    if (image.cloud !== undefined) await recordCloudUse(image, image.cloud);
  };
  const commit: Executor<'image.commit'> = async (step, context) => {
    const [disk] = disksOf(step.vm);
    if (disk === undefined) throw new Error(`VM ${step.vm} has no disk`);
    await commitDisk(step, disk, context);
    return { output: `Created image '${step.image}'` };
  };
  return {
    'image.resolve': resolveImage,
    'image.retrieve': retrieve,
    'image.remove': remove,
    'image.commit': commit,
  };
}

/** Records what keeps a build from being pruned. */
async function recordCloudUse(image: ImageNeed, { lockFile }: CloudImage): Promise<void> {
  await recordUse(image);
  await recordLockFile(image.backend, lockFile);
}

/** Creates an image from a disk and everything it is based on. */
async function commitDisk(
  { vm, image, backend }: CommitImage,
  disk: string,
  { signal, note, progress }: StepContext,
): Promise<void> {
  await sweepBackend(backend);
  if (await isStored(backend, image)) throw imageExists(image);
  const task = `creating image '${image}' from VM '${vm}'`;
  const working = await openWorkingImage(backend, image, { task, signal, note });
  try {
    if (await isStored(backend, image)) throw imageExists(image);
    note(`Converting the disk of VM '${vm}' to image '${image}'`);
    const target = join(working.directory, 'image');
    const { virtualSize: total } = await inspectImage(disk, 'qcow2', signal);
    await convertToQcow2({ path: disk, format: 'qcow2' }, target, signal, (fraction) =>
      progress({ activity: 'converting', done: fraction * total, total }),
    );
    await recordOrigin(
      { name: image, backend },
      { source: `${COMMIT}${vm}`, sha256: await sumOfFile(target, signal) },
    );
    await working.commit(target);
  } finally {
    await working.close({ download: true });
  }
}

function imageExists(image: string): TransientError {
  return new TransientError({
    reason: 'image',
    message: `An image with the name '${image}' already exists`,
    hint: `choose another name, or remove the existing image: transient image rm ${image}`,
  });
}

async function retrieveMissing(image: ImageNeed, context: StepContext): Promise<void> {
  context.note(`Unable to find image '${image.name}' in backend`);
  if (image.source === undefined) throw noSource(image);
  const { signal, note } = context;
  const task = `retrieving image '${image.name}'`;
  const working = await openWorkingImage(image.backend, image.name, { task, signal, note });
  let keepDownload = true;
  try {
    // another process may have created it while we waited
    if (!(await isUsable(image, signal))) await make(image, image.source, working, context);
    keepDownload = false;
  } finally {
    await working.close({ download: keepDownload });
  }
}

/** Whether the backend has the requested image; throws if it is damaged or another one. */
async function isUsable(image: ImageNeed, signal: AbortSignal): Promise<boolean> {
  if (!(await isStored(image.backend, image.name))) return false;
  await Promise.all([checkOrigin(image), refuseDamaged(image, signal)]);
  return true;
}

/**
 * Rejects a truncated or corrupt image before anything is prepared for it. The check takes as long as `qemu-img info`,
 * 10 ms, since it reads the tables of a qcow2 and no data; `info` does not notice missing data.
 */
async function refuseDamaged({ backend, name }: ImageNeed, signal: AbortSignal): Promise<void> {
  const path = imagePath(backend, name);
  const damage = await damageOfQcow2(path, signal);
  if (damage === undefined) return;
  const { what, details } = damage;
  throw new TransientError({
    reason: 'image',
    message: `image '${name}' of the backend cannot be used: ${what} (${path})`,
    details,
    hint: `remove it and retrieve it again: transient image rm ${name}`,
  });
}

async function make(
  image: ImageNeed,
  source: NonNullable<ImageNeed['source']>,
  working: WorkingImage,
  context: StepContext,
): Promise<void> {
  const fetched = await fetchDisk(image, source, working, context).catch(async (error: unknown) => {
    throw await explainedByVendor(error, image, context);
  });
  const file = await asQcow2(fetched, working, context).catch(async (error: unknown) => {
    // a download without a usable disk is useless to another attempt
    if (isFaultOfImage(error)) await rm(working.download, { force: true });
    throw error;
  });
  // before the image exists: a record without its image does no harm, an image without its record would
  const pin = image.cloud?.pin;
  await recordOrigin(image, {
    source: shownImageSource(source),
    sha256: fetched.sha256,
    ...(pin === undefined ? {} : { pin }),
  });
  await working.commit(file);
}

/** Returns a qcow2 that may be moved; a source that already is one is not converted. */
async function asQcow2(fetched: Fetched, working: WorkingImage, context: StepContext): Promise<string> {
  const space = await imageSpace(working.directory);
  return space.guard(context.signal, (signal) => written(fetched, working, { ...context, signal }));
}

async function written(fetched: Fetched, working: WorkingImage, context: StepContext): Promise<string> {
  const { path, owned, shown } = fetched;
  const format = await identifyDisk(path, shown);
  const target = join(working.directory, 'image');
  if (format === 'qcow2') {
    await refuseBroken(path, shown, context);
    if (owned) return path;
    await copyFile(path, target, constants.COPYFILE_FICLONE);
    return target;
  }
  const { virtualSize } = await inspectImage(path, format, context.signal);
  await convertToQcow2({ path, format }, target, context.signal, (fraction) =>
    context.progress({ activity: 'converting', done: fraction * virtualSize, total: virtualSize }),
  );
  return target;
}

async function refuseBroken(path: string, shown: string, { signal }: StepContext): Promise<void> {
  const damage = await damageOfQcow2(path, signal);
  if (damage === undefined) return;
  throw notUsable(shown, damage.what, 'inspect it with qemu-img check', damage.details);
}

function noSource({ name }: ImageNeed): TransientError {
  if (/^[^/]+\/[^/:]+$/.test(name)) {
    return new TransientError({
      reason: 'image',
      message: `Unable to find image '${name}' in backend; as a vagrant box it needs a version`,
      hint: `write it as ${name}:VERSION`,
    });
  }
  const distribution = Catalog.open(process.env).find(name, 'x86_64');
  return new TransientError({
    reason: 'image',
    message: `Unable to find image '${name}' in backend, and no source is given for it`,
    hint: distribution.ok
      ? `name a release: ${distribution.value.name}`
      : `specify a source, e.g. ${name},file=PATH or ${name},http=URL; a vagrant box is USER/BOX:VERSION`,
  });
}

const remove: Executor<'image.remove'> = async (step, context) => {
  const { backend, image } = step;
  const { signal, note } = context;
  if (!(await isStored(backend, image))) {
    const builds = keptBuilds(backend).filter(({ name }) => name === image);
    const names = builds.map(({ keptName }) => keptName).join(', ');
    throw new TransientError({
      reason: 'image',
      message: `there is no image '${image}' in the backend ${backend}`,
      hint: names === '' ? 'list the images with "transient image ls"' : `its builds are images: ${names}`,
    });
  }
  // locked, so that a new image of that name does not lose its record
  const task = `removing image '${image}'`;
  const working = await openWorkingImage(backend, image, { task, signal, note });
  try {
    await removeUnused(step, context);
  } finally {
    await working.close({ download: true });
  }
};

async function removeUnused(
  { backend, image, vmstore, force }: RemoveImage,
  context: StepContext,
): Promise<void> {
  const users = await vmsUsing(imagePath(backend, image), vmstore);
  if (users.length > 0) {
    const message = `Backend '${image}' is in use by ${users.map((vm) => `'${vm}'`).join(', ')}`;
    if (!force) {
      const hint = 'remove these VMs first, or use --force, which leaves them without their disk';
      throw new TransientError({ reason: 'image', message, hint });
    }
    context.warn({
      reason: 'image',
      message,
      hint: 'it is removed nevertheless: they will no longer start',
    });
  }
  await rm(imagePath(backend, image), { force: true });
  await forgetOrigin(backend, image);
  await forgetPins(backend, image, context);
}
