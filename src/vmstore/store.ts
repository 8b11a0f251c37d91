import type { Stats } from 'node:fs';
import { chmod, lstat, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { makeDirectory } from '../host/directories.ts';
import { isTemporary } from '../config/stored-vm.ts';
import { lockKeptFile } from '../host/lock.ts';
import type { VmPaths } from '../host/store-layout.ts';
import { decodeName, encodeName, imagePath, internalPath, vmPaths } from '../host/store-layout.ts';
import { openWorkingDirectory, sweepWorkingDirectories } from '../host/working-directory.ts';
import { createOverlay } from '../image/qemu-img.ts';
import type { StepContext } from '../plan/executor.ts';
import type { CreateVm } from '../plan/step.ts';
import { TransientError, errorCode, systemMessage } from '../problem.ts';

/** A disk of a stored VM; `image` is the name of the backend image it is based on. */
export interface StoredDisk {
  readonly number: number;
  readonly image: string;
  readonly path: string;
}

/** A VM of the store; one without a configuration was left by an interrupted creation. */
export interface StoredVmFacts {
  readonly name: string;
  readonly disks: readonly StoredDisk[];
  readonly created: Date;
  /** The file that users of the VM lock. */
  readonly config: Stats | undefined;
}

/** Maximum length of a file name (Linux, `NAME_MAX`), in bytes. */
const LONGEST_NAME = 255;

/** Lists the VMs of a store by name; a missing store is empty. */
export async function listVms(vmstore: string): Promise<StoredVmFacts[]> {
  const files = await readdir(vmstore).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw unusable('read', vmstore, error);
  });
  const names = files
    .filter((file) => !file.startsWith('.'))
    // a directory with another encoding of a name is unreachable
    .filter((file) => encodeName(decodeName(file) ?? '') === file)
    .map((file) => decodeName(file) ?? file);
  const found = await Promise.all(names.map((name) => factsOf(vmstore, name)));
  return found.filter((vm) => vm !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function factsOf(vmstore: string, name: string): Promise<StoredVmFacts | undefined> {
  const { directory, config } = vmPaths(vmstore, name);
  const [existing, settings] = await Promise.all(
    [directory, config].map((path) => stat(path).catch(() => undefined)),
  );
  if (existing?.isDirectory() !== true) return undefined;
  const disks = await disksOf(vmstore, name);
  const seemsBroken = settings === undefined || disks.length === 0;
  // it may be in the process of being removed
  if (seemsBroken && !(await isStored(vmstore, name))) return undefined;
  return { name, disks, created: (settings ?? existing).mtime, config: settings };
}

/** Whether the store has a directory for the VM, whatever its content. */
export async function isStored(vmstore: string, name: string): Promise<boolean> {
  // the store itself, and our directories in it, are not VMs
  if (name === '' || name.startsWith('.')) return false;
  const found = await stat(vmPaths(vmstore, name).directory).catch(() => undefined);
  return found?.isDirectory() === true;
}

/** Whether anything exists at the path of a VM of that name. */
async function isTaken(vmstore: string, name: string): Promise<boolean> {
  return (await lstat(vmPaths(vmstore, name).directory).catch(() => undefined)) !== undefined;
}

/** Lists the disks of a VM in order: files `VM-NUMBER-IMAGE`, each part encoded. */
export async function disksOf(vmstore: string, name: string): Promise<StoredDisk[]> {
  const { directory } = vmPaths(vmstore, name);
  const files = await readdir(directory).catch(() => []);
  const disks = files.flatMap((file): StoredDisk[] => {
    const [vm, number = '', image = '', ...more] = file.split('-');
    const decoded = decodeName(image);
    const isDisk = vm === encodeName(name) && /^\d+$/.test(number) && more.length === 0;
    return isDisk && decoded ? [{ number: Number(number), image: decoded, path: join(directory, file) }] : [];
  });
  return disks.sort((a, b) => a.number - b.number);
}

/**
 * Creates a VM in a temporary directory, which one rename publishes. Returns false if a VM of that name exists and that
 * is acceptable.
 */
export async function createVm(
  step: CreateVm,
  { signal, note }: Pick<StepContext, 'signal' | 'note'>,
): Promise<boolean> {
  const { name, vmstore } = step;
  for (const what of ['creating', 'vms'] as const) await makeStore(vmstore, internalPath(vmstore, what));
  await sweepStore(vmstore);
  const task = `creating VM '${name}'`;
  const root = internalPath(vmstore, 'creating');
  const working = await openWorkingDirectory(root, encodeName(name), { task, signal, note });
  try {
    if (await isTaken(vmstore, name)) {
      if (step.existing === 'use') return false;
      throw exists(name);
    }
    await fill(step, working.path, signal);
    signal.throwIfAborted();
    await rename(join(working.path, VM), vmPaths(vmstore, name).directory);
    return true;
  } finally {
    await working.close();
  }
}

/** Name of the subdirectory of the working directory that becomes the VM. */
const VM = 'vm';

async function fill(
  { name, vmstore, images, config, ours }: CreateVm,
  root: string,
  signal: AbortSignal,
): Promise<void> {
  const directory = join(root, VM);
  await makeDirectory(directory);
  // the data of a guest is private to its user
  await chmod(directory, 0o700);
  for (const [number, image] of images.entries()) {
    const file = diskName(name, number, image.name);
    await createOverlay(imagePath(image.backend, image.name), join(directory, file), signal);
  }
  const paths = vmPaths(vmstore, name);
  // before the VM exists: a document without its VM does no harm
  await writeDurably(paths.ours, ours);
  await removeKeys(paths);
  await writeDurably(join(directory, basename(paths.config)), config);
}

function diskName(vm: string, number: number, image: string): string {
  const name = [encodeName(vm), number, encodeName(image)].join('-');
  if (name.length <= LONGEST_NAME) return name;
  throw new TransientError({
    reason: 'invalid-value',
    message: `the names of VM '${vm}' and image '${image}' are too long together for a file name`,
    hint: 'choose a shorter name for the VM',
  });
}

async function writeDurably(path: string, text: string): Promise<void> {
  await using file = await open(path, 'w', 0o644);
  await file.writeFile(text);
  await file.sync();
}

/**
 * Removes a VM from the store: one rename, then its files. `take` locks the VM once no other can be created in its
 * place, and returns how to unlock it.
 */
export async function removeVm(
  vmstore: string,
  name: string,
  take: () => Promise<() => Promise<void>>,
  { signal, note }: Pick<StepContext, 'signal' | 'note'>,
): Promise<void> {
  for (const what of ['creating', 'removed'] as const) await makeStore(vmstore, internalPath(vmstore, what));
  const task = `removing VM '${name}'`;
  const root = internalPath(vmstore, 'creating');
  const working = await openWorkingDirectory(root, encodeName(name), { task, signal, note });
  try {
    const release = await take();
    try {
      await moveAway(vmstore, name);
    } finally {
      await release();
    }
  } finally {
    await working.close();
  }
  await sweepStore(vmstore);
}

/** Removes leftovers of dead processes: VMs half created or half removed, and temporary VMs without an owner. */
async function sweepStore(vmstore: string): Promise<void> {
  await removeAbandoned(vmstore);
  await sweepWorkingDirectories(internalPath(vmstore, 'creating'));
  const removed = internalPath(vmstore, 'removed');
  const names = await readdir(removed).catch(() => []);
  await Promise.all(names.map((name) => rm(join(removed, name), { recursive: true, force: true })));
}

/** Removes temporary VMs whose lock is free: their run was killed before it could remove them. */
async function removeAbandoned(vmstore: string): Promise<void> {
  const texts = await readdir(internalPath(vmstore, 'vms')).catch(() => []);
  for (const file of texts) {
    const name = decodeName(file.replace(/\.toml$/, ''));
    if (name === undefined) continue;
    const paths = vmPaths(vmstore, name);
    const text = await readFile(paths.ours, 'utf8').catch(() => '');
    if (!isTemporary(text) || !(await isOlder(paths.config, NEWBORN))) continue;
    const lock = await lockKeptFile(paths.config, { wait: false }).catch(() => undefined);
    if (lock === undefined) continue;
    await moveAway(vmstore, name).catch(() => undefined);
    await lock.release();
  }
}

/** Grace period in which a newly created VM is locked by its run, in milliseconds. */
const NEWBORN = 60_000;

async function isOlder(path: string, age: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined || Date.now() - found.mtimeMs > age;
}

/** Moves a VM out of the store by one rename; the next sweep removes what is left of it. */
async function moveAway(vmstore: string, name: string): Promise<void> {
  const paths = vmPaths(vmstore, name);
  const unique = `${process.pid}.${Date.now()}.${basename(paths.directory)}`.slice(0, LONGEST_NAME);
  await makeDirectory(internalPath(vmstore, 'removed'));
  await rename(paths.directory, join(internalPath(vmstore, 'removed'), unique));
  await rm(paths.ours, { force: true });
  await removeKeys(paths);
}

async function removeKeys({ loginKey, hostKey, knownHosts }: VmPaths): Promise<void> {
  for (const path of [loginKey, hostKey, knownHosts]) await rm(path, { force: true });
}

async function makeStore(vmstore: string, directory: string): Promise<void> {
  try {
    await makeDirectory(directory);
  } catch (cause) {
    throw unusable('write to', vmstore, cause);
  }
}

function unusable(what: string, vmstore: string, cause: unknown): TransientError {
  return new TransientError(
    {
      reason: 'unreadable',
      message: `cannot ${what} the VM store ${vmstore}: ${systemMessage(cause)}`,
      hint: 'choose another with --vmstore or TRANSIENT_VMSTORE',
    },
    { cause },
  );
}

function exists(name: string): TransientError {
  return new TransientError({
    reason: 'conflict',
    message: `A VM with name '${name}' already exists`,
    hint: `start it with "transient start ${name}", or remove it with "transient rm ${name}"`,
  });
}
