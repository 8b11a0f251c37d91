import { createHash } from 'node:crypto';
import {
  access,
  constants,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { BuilderSpec } from '../config/copies.ts';
import { makeDirectory } from '../host/directories.ts';
import { exists } from '../host/exists.ts';
import { openWorkingDirectory, sweepWorkingDirectories } from '../host/working-directory.ts';
import type { StepContext } from '../plan/executor.ts';
import { TransientError, systemMessage } from '../problem.ts';
import { DIRECTORY, FILE, PROGRAM, cpioArchive } from './cpio.ts';
import { INIT_SCRIPT } from './init-script.ts';
import type { Kernel } from './kernel.ts';
import { hostKernel, packagedKernel, unpackPackage } from './kernel.ts';
import type { ModuleSet } from './modules.ts';
import { collectModules } from './modules.ts';
import { hostPrograms, staticBusybox, toolEntries } from './programs.ts';

/** Kernel and initramfs of the builder VM. */
export interface Appliance {
  readonly kernel: string;
  readonly initrd: string;
}

/**
 * Prepares the builder's kernel and initramfs: the user's own if given, else assembled from the host's kernel and
 * programs, or from Debian's packages, and cached until one of these parts changes.
 */
export async function prepareAppliance(options: BuilderSpec, context: StepContext): Promise<Appliance> {
  await expectReadable('--builder-kernel', options.kernel);
  await expectReadable('--builder-initrd', options.initrd);
  if (options.kernel !== undefined && options.initrd !== undefined)
    return { kernel: options.kernel, initrd: options.initrd };
  const appliance = await cachedAppliance(options.kernel, context);
  return { kernel: options.kernel ?? appliance.kernel, initrd: options.initrd ?? appliance.initrd };
}

/** Checks a file that the user named before anything is assembled or booted. */
async function expectReadable(flag: string, path: string | undefined): Promise<void> {
  if (path === undefined) return;
  await access(path, constants.R_OK).catch((cause: unknown) => {
    const message = `${flag}: cannot read ${path}: ${systemMessage(cause)}`;
    throw new TransientError({ reason: 'host', message }, { cause });
  });
}

/** `kernel` is the user's own, for which there are no modules: it must have all drivers built in. */
async function cachedAppliance(kernel: string | undefined, context: StepContext): Promise<Appliance> {
  const cache = join(cacheDirectory(process.env), 'builder');
  const [host, programs, busybox] = [await hostKernel(), await hostPrograms(), await staticBusybox()];
  const parts = [
    ...programs.values(),
    ...(busybox === undefined ? [] : [busybox]),
    ...(host ? [host.image] : []),
  ];
  const key = await keyOf(parts, [INIT_SCRIPT, kernel ?? '', host?.image ?? '']);
  const appliance = { kernel: join(cache, key, 'kernel'), initrd: join(cache, key, 'initrd') };
  if (await exists(appliance.initrd)) return appliance;
  const making = join(cache, '.working');
  await makeDirectory(making);
  await sweepWorkingDirectories(making);
  const { signal, note } = context;
  const task = 'assembling the builder VM';
  const working = await openWorkingDirectory(making, key, { task, signal, note });
  try {
    if (await exists(appliance.initrd)) return appliance;
    context.note('Assembling the builder VM (once per machine)');
    const packages = await mkdtemp(join(working.path, 'packages-'));
    const used = kernel === undefined ? (host ?? (await downloaded(packages, context))) : undefined;
    const box = busybox ?? (await busyboxIn(await unpackPackage('busybox-static', packages, context.signal)));
    const modules = used === undefined ? NO_MODULES : await collectModules(used.modules);
    const result = join(working.path, 'result');
    await mkdir(result);
    if (used) await copyFile(used.image, join(result, 'kernel'));
    await writeFile(join(result, 'initrd'), await initramfs(box, programs, modules));
    await rename(result, join(cache, key)).catch(async (error: unknown) => {
      if (!(await exists(appliance.initrd))) throw error;
    });
    await removeOld(cache, key);
    return appliance;
  } finally {
    await working.close();
  }
}

/** Age at which an appliance with outdated parts is removed, in milliseconds. */
const OLD = 14 * 24 * 60 * 60 * 1000;

async function removeOld(cache: string, key: string): Promise<void> {
  const names = (await readdir(cache)).filter((name) => name !== key && !name.startsWith('.'));
  for (const path of names.map((name) => join(cache, name))) {
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > OLD) await rm(path, { recursive: true, force: true });
  }
}

const NO_MODULES: ModuleSet = { files: new Map(), order: '' };

async function downloaded(directory: string, { note, signal }: StepContext): Promise<Kernel> {
  note("Downloading a kernel for it from Debian's packages");
  return packagedKernel(directory, signal);
}

async function busyboxIn(unpacked: string): Promise<string> {
  const usr = join(unpacked, 'usr/bin/busybox');
  return (await exists(usr)) ? usr : join(unpacked, 'bin/busybox');
}

async function initramfs(
  busybox: string,
  programs: ReadonlyMap<string, string>,
  modules: ModuleSet,
): Promise<Buffer> {
  const empty = Buffer.alloc(0);
  return cpioArchive([
    ...(await toolEntries(busybox, programs)),
    { path: 'modules', mode: DIRECTORY, bytes: empty },
    { path: 'modules/needs', mode: FILE, bytes: Buffer.from(modules.order) },
    ...[...modules.files].map(([name, bytes]) => ({ path: `modules/${name}`, mode: FILE, bytes })),
    { path: 'init', mode: PROGRAM, bytes: Buffer.from(INIT_SCRIPT) },
  ]);
}

/** Cache directory: below `XDG_CACHE_HOME` or `~/.cache`. */
export function cacheDirectory({ XDG_CACHE_HOME: xdg }: NodeJS.ProcessEnv): string {
  return join(xdg && isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'transient');
}

/** Cache key that changes with the files; path, size and mtime stand for their content. */
async function keyOf(files: readonly string[], texts: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) {
    const { size, mtimeMs } = await stat(file);
    hash.update(`${file}\0${size}\0${mtimeMs}\0`);
  }
  for (const text of texts) hash.update(`${text}\0`);
  return hash.digest('hex').slice(0, 16);
}
