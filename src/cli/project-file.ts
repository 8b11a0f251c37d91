import { existsSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { placed } from '../config/locate.ts';
import type { Environment } from '../config/merge.ts';
import { lockFileOf } from '../config/image-lock.ts';
import { environmentLayer, mergeLayers, storesOf } from '../config/merge.ts';
import { unchangedFiles } from '../config/protected-files.ts';
import { resolveProject, storeOfEntry, storedName } from '../config/resolve.ts';
import type { StoredVm } from '../config/stored-vm.ts';
import type { Transientfile, VmEntry } from '../config/transientfile.ts';
import { findTransientfile, loadTransientfile, selectVms } from '../config/transientfile.ts';
import type { VmSpec } from '../config/vm-spec.ts';
import type { Layer } from '../options/layer.ts';
import type { ImageRef } from '../options/values/image-spec.ts';
import type { SessionOptions } from '../plan/session.ts';
import { resolutionsFor } from '../plan/stored-state.ts';
import type { Problem, Result } from '../problem.ts';
import { all, failed, ok } from '../problem.ts';
import type { CommandSwitch, Invocation } from './command.ts';
import { lookupFor } from './image-names.ts';
import type { ProjectPlace } from './project-place.ts';
import { defaultJobs, sessionOptionsOf } from './session-switches.ts';

/** Switch that names the Transientfile, on every command that reads one. */
export const FILE_SWITCH: CommandSwitch = {
  flags: '--file <PATH>',
  help: 'the Transientfile to read [default: Transientfile.toml in this directory or the nearest one above]',
};

/** Switch that requires pinned builds of images, on the commands that use them. */
export const LOCKED_SWITCH: CommandSwitch = {
  flags: '--locked',
  help: 'fail if the lock file does not pin the build of an image, instead of pinning the newest one',
};

/** The selected VMs of a Transientfile, with the flags applied. */
export interface LoadedProject {
  readonly specs: readonly VmSpec[];
  readonly options: SessionOptions;
  readonly project: string;
}

/** Loads a Transientfile; with `detached`, for VMs that outlive this process. */
export async function loadProject(
  invocation: Invocation,
  path: string,
  detached: boolean,
): Promise<Result<LoadedProject>> {
  const { workingDirectory, environment, flags, operands } = invocation;
  const options = sessionOptionsOf(invocation);
  if (!options.ok) return options;
  const { directory } = placeOf(path, invocation);
  const file = await loadTransientfile(path, workingDirectory, directory);
  if (!file.ok) return file;
  const selected = selectVms(file.value, operands);
  if (!selected.ok) return selected;
  const upper = [environmentLayer(environment, workingDirectory), flags];
  const stored = await storedVms(file.value, selected.value, upper, environment);
  if (!stored.ok) return stored;
  const lockFile = isPiped(path) ? undefined : lockFileOf(path);
  const lookup = await lookupFor(
    imagesIn(file.value, selected.value, flags),
    storesOf(mergeLayers([file.value.defaults, ...upper]).values, environment).backend,
    invocation,
    lockFile,
  );
  const specs = resolveProject(file.value, selected.value, upper, environment, stored.value, {
    // the most digits a process ID has on Linux
    unique: String(process.pid).padStart(7, '0'),
    detached,
    unchanged: unchangedFiles(file.value, namesOf(path, invocation), upper, workingDirectory),
    lookup,
  });
  if (!specs.ok) return failed(...(await placed(specs.problems, file.value.document)));
  if (invocation.switches['locked'] === true) {
    const pinned = refuseUnpinned(specs.value, ', or omit --locked');
    if (!pinned.ok) return pinned;
  }
  const sessionOptions = { jobs: defaultJobs(specs.value), ...options.value };
  return ok({ specs: specs.value, options: sessionOptions, project: file.value.project });
}

/** The images of VMs, as the file or the command line specifies them. */
function imagesIn({ images, defaults }: Transientfile, vms: readonly VmEntry[], flags: Layer): ImageRef[] {
  const layers = [defaults, flags, ...vms.map(({ layer }) => layer)];
  const extra = layers.flatMap(({ values }) => values['extra-image'] ?? []);
  return [...vms.map(({ image }) => image), ...extra].map((image) => images.get(image.name) ?? image);
}

/** Fails if the build of an image that new disks are based on is not pinned. */
export function refuseUnpinned(specs: readonly VmSpec[], otherwise = ''): Result<undefined> {
  const unpinned = resolutionsFor(specs);
  if (unpinned.length === 0) return ok(undefined);
  return failed(
    ...unpinned.map(({ name, lockFile }): Problem => ({
      reason: 'missing-key',
      message: `${lockFile} does not pin the build of image "${name}"`,
      hint: `pin it with "transient image update", and commit the file${otherwise}`,
    })),
  );
}

/** Stored configurations of existing persistent VMs, by their keys in the file. */
async function storedVms(
  file: Transientfile,
  selected: readonly VmEntry[],
  upper: readonly Layer[],
  environment: Environment,
): Promise<Result<Map<string, StoredVm>>> {
  const { loadStoredVm } = await import('../vmstore/load.ts');
  const found = await Promise.all(
    selected.map(async (entry): Promise<Result<[string, StoredVm | undefined]>> => {
      const name = storedName(file, entry);
      if (name === undefined) return ok([entry.name, undefined]);
      const stored = await loadStoredVm(storeOfEntry(file, entry, upper, environment), name);
      return stored.ok ? ok([entry.name, stored.value]) : stored;
    }),
  );
  const vms = all(found);
  if (!vms.ok) return vms;
  return ok(new Map(vms.value.flatMap(([name, vm]) => (vm === undefined ? [] : [[name, vm] as const]))));
}

/** Real path of the project's Transientfile; a pipe, which has none, keeps its given path. */
export function pathOf({ workingDirectory, switches }: Invocation): Result<string> {
  const path = findTransientfile(workingDirectory, switches['file'] as string | undefined);
  if (!path.ok || !existsSync(path.value)) return path;
  const real = realpathSync(path.value);
  return existsSync(real) ? ok(real) : path;
}

/** Whether a Transientfile is a pipe, as from `--file <(…)`: it has no directory and can be read only once. */
export function isPiped(path: string): boolean {
  return existsSync(path) && !existsSync(realpathSync(path));
}

/** Real path of a Transientfile, the link it was found by, and their lock files; none for a pipe. */
function namesOf(path: string, { workingDirectory, switches }: Invocation): string[] {
  if (isPiped(path)) return [];
  const found = findTransientfile(workingDirectory, switches['file'] as string | undefined);
  const files = [path, ...(found.ok ? [found.value] : [])];
  return [...files, ...files.map(lockFileOf)];
}

/** Location of a project: the directory of its Transientfile, or the working directory for a pipe. */
export function placeOf(path: string, { workingDirectory }: Invocation): ProjectPlace {
  return { directory: isPiped(path) ? workingDirectory : dirname(path), workingDirectory };
}
