import { existsSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Environment } from '../../config/merge.ts';
import { resolveProject, storeOfEntry, storedName } from '../../config/resolve.ts';
import { environmentLayer } from '../../config/merge.ts';
import type { StoredVm } from '../../config/stored.ts';
import type { Transientfile, VmEntry } from '../../config/transientfile.ts';
import { unchangedFiles } from '../../config/protected-files.ts';
import { findTransientfile, loadTransientfile, selectVms } from '../../config/transientfile.ts';
import type { Layer } from '../../options/layer.ts';
import { placed } from '../../config/locate.ts';
import type { VmSpec } from '../../config/vm-spec.ts';
import type { ProjectRecord } from '../../host/projects.ts';
import { findProject } from '../../host/projects.ts';
import type { ProjectChange, Supervised, Wanted } from '../../plan/project.ts';
import type { HoldingBack } from '../../plan/restart-needed.ts';
import { changeProject, wantedOf } from '../../plan/project.ts';
import type { SessionOptions } from '../../plan/session.ts';
import { planSession } from '../../plan/session.ts';
import type { Request } from '../../run/supervisor.ts';
import type { Plan } from '../../plan/step.ts';
import type { Result } from '../../problem.ts';
import { all, failed, ok } from '../../problem.ts';
import type { Invocation, Switch } from '../command.ts';
import type { ProjectPlace } from '../project-place.ts';
import { defaultJobs, mannerOf } from './jobs.ts';
import { loadStoredVm } from './stored-vm.ts';

/** Names the Transientfile, on every command that reads one. */
export const FILE_SWITCH: Switch = {
  flags: '--file <PATH>',
  help: 'the Transientfile to read [default: Transientfile.toml here or in a directory above]',
};

/** The VMs of the project's Transientfile that were named, with the flags over them. */
interface LoadedProject {
  readonly specs: readonly VmSpec[];
  readonly manner: SessionOptions;
  readonly project: string;
}

/** What `up` is to do. */
export async function intendProject(invocation: Invocation): Promise<Result<ProjectIntent>> {
  const path = pathOf(invocation);
  if (!path.ok) return path;
  const record = await findProject(invocation.environment, path.value);
  const isDetached = record !== undefined || invocation.switches['detach'] === true;
  const loaded = await loadProject(invocation, path.value, isDetached);
  if (!loaded.ok) return loaded;
  const { specs, manner, project } = loaded.value;
  const place = placeOf(path.value, invocation);
  if (!isDetached) return ok({ kind: 'session', plan: planSession(specs, manner), project, place });
  const change = changeProject(specs.map(wantedOf), record?.vms ?? [], manner);
  return ok({ kind: 'change', change, record, file: path.value, project, place });
}

/** What changed files of a project ask for; those that it is made of. */
export interface Replanned {
  readonly change: ProjectChange;
  readonly files: readonly string[];
  /** What is to be said of it. */
  readonly news: readonly string[];
}

/** The VMs of a project that is to be watched, as its file has them now. */
export async function wantedNow(invocation: Invocation): Promise<Result<readonly Wanted[]>> {
  const path = pathOf(invocation);
  if (!path.ok) return path;
  const loaded = await loadProject(invocation, path.value, true);
  return loaded.ok ? ok(loaded.value.specs.map(wantedOf)) : loaded;
}

/** Plans a project anew that is watched: commands run once more, and VMs into which something is copied that has changed. */
export async function replanProject(
  invocation: Invocation,
  there: readonly Supervised[],
  touched: readonly string[],
  holding: HoldingBack,
): Promise<Result<Replanned>> {
  const path = pathOf(invocation);
  if (!path.ok) return path;
  const loaded = await loadProject(invocation, path.value, true);
  if (!loaded.ok) return loaded;
  const { wanted, news } = holding.settle(loaded.value.specs.map(wantedOf), there);
  const isTouched = ({ copies }: VmSpec): boolean =>
    copies.in.some(({ host }) =>
      touched.some((one) => one === host || one.startsWith(`${host.replace(/\/$/, '')}/`)),
    );
  const again = (spec: VmSpec): boolean => spec.connection.kind === 'ssh-command' || isTouched(spec);
  return ok({
    change: changeProject(wanted, there, loaded.value.manner, again),
    files: [path.value, ...wanted.flatMap(({ spec }) => spec.copies.in.map(({ host }) => host))],
    news,
  });
}

/** The project's Transientfile, without links; what has a name only by them, a pipe, as it was named. */
export function pathOf({ workingDirectory, switches }: Invocation): Result<string> {
  const path = findTransientfile(workingDirectory, switches['file'] as string | undefined);
  if (!path.ok || !existsSync(path.value)) return path;
  const real = realpathSync(path.value);
  return existsSync(real) ? ok(real) : path;
}

/** Whether a Transientfile comes through a pipe, as from `--file <(…)`: it has no place, and can be read once. */
export function isPiped(path: string): boolean {
  return existsSync(path) && !existsSync(realpathSync(path));
}

/** A Transientfile without links, and the link by which it was found, if it was one; a pipe has no place. */
function namesOf(path: string, { workingDirectory, switches }: Invocation): string[] {
  if (isPiped(path)) return [];
  const found = findTransientfile(workingDirectory, switches['file'] as string | undefined);
  return [path, ...(found.ok ? [found.value] : [])];
}

/** Where a project is: with its Transientfile, unless that has no place. */
export function placeOf(path: string, { workingDirectory }: Invocation): ProjectPlace {
  return { directory: isPiped(path) ? workingDirectory : dirname(path), workingDirectory };
}

async function loadProject(
  invocation: Invocation,
  path: string,
  detached: boolean,
): Promise<Result<LoadedProject>> {
  const { workingDirectory, environment, flags, operands } = invocation;
  const manner = mannerOf(invocation);
  if (!manner.ok) return manner;
  const { directory } = placeOf(path, invocation);
  const file = await loadTransientfile(path, workingDirectory, directory);
  if (!file.ok) return file;
  const selected = selectVms(file.value, operands);
  if (!selected.ok) return selected;
  const above = [environmentLayer(environment, workingDirectory), flags];
  const stored = await storedVms(file.value, selected.value, above, environment);
  if (!stored.ok) return stored;
  const specs = resolveProject(file.value, selected.value, above, environment, stored.value, {
    // as many digits as Linux ever gives a process
    unique: String(process.pid).padStart(7, '0'),
    detached,
    unchanged: unchangedFiles(file.value, namesOf(path, invocation), above, workingDirectory),
  });
  if (!specs.ok) return failed(...(await placed(specs.problems, file.value.document)));
  const how = { jobs: defaultJobs(specs.value), ...manner.value };
  return ok({ specs: specs.value, manner: how, project: file.value.project });
}

/** The VMs that a change starts, as a supervisor is told of them. */
export function orderOf({ plan, starting }: ProjectChange): Request {
  const vms = starting.map(({ spec, digest }) => ({
    name: spec.name,
    instance: spec.instance,
    digest,
    dependsOn: spec.dependsOn.map(({ vm }) => vm),
  }));
  return { plan, vms };
}

/** A session of its own, or a change of what runs detached. */
export type ProjectIntent = { readonly place: ProjectPlace } & (
  | { readonly kind: 'session'; readonly plan: Plan; readonly project: string }
  | {
      readonly kind: 'change';
      readonly change: ProjectChange;
      readonly record: ProjectRecord | undefined;
      readonly file: string;
      readonly project: string;
    }
);

/** What is stored of the VMs that keep their state and exist, by their keys in the file. */
async function storedVms(
  file: Transientfile,
  selected: readonly VmEntry[],
  above: readonly Layer[],
  environment: Environment,
): Promise<Result<Map<string, StoredVm>>> {
  const found = await Promise.all(
    selected.map(async (entry): Promise<Result<[string, StoredVm | undefined]>> => {
      const name = storedName(file, entry);
      if (name === undefined) return ok([entry.name, undefined]);
      const stored = await loadStoredVm(storeOfEntry(file, entry, above, environment), name);
      return stored.ok ? ok([entry.name, stored.value]) : stored;
    }),
  );
  const vms = all(found);
  if (!vms.ok) return vms;
  return ok(new Map(vms.value.flatMap(([name, vm]) => (vm === undefined ? [] : [[name, vm] as const]))));
}
