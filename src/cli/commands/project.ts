import { isWithin } from '../../config/path-components.ts';
import { existsSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Environment } from '../../config/merge.ts';
import { resolveProject, storeOfEntry, storedName } from '../../config/resolve.ts';
import { environmentLayer } from '../../config/merge.ts';
import type { StoredVm } from '../../config/stored-vm.ts';
import type { Transientfile, VmEntry } from '../../config/transientfile.ts';
import { unchangedFiles } from '../../config/protected-files.ts';
import { findTransientfile, loadTransientfile, selectVms } from '../../config/transientfile.ts';
import type { Layer } from '../../options/layer.ts';
import { placed } from '../../config/locate.ts';
import type { VmSpec } from '../../config/vm-spec.ts';
import type { ProjectRecord } from '../../host/project-registry.ts';
import { findProject } from '../../host/project-registry.ts';
import type { ProjectChange, Supervised, Wanted } from '../../plan/project.ts';
import type { HoldingBack } from '../../plan/pending-restart.ts';
import { changeProject, wantedOf } from '../../plan/project.ts';
import type { SessionOptions } from '../../plan/session.ts';
import { planSession } from '../../plan/session.ts';
import type { Request } from '../../daemon/supervisor.ts';
import type { Plan } from '../../plan/step.ts';
import type { Result } from '../../problem.ts';
import { all, failed, ok } from '../../problem.ts';
import type { Invocation, CommandSwitch } from '../command.ts';
import type { ProjectPlace } from '../project-place.ts';
import { defaultJobs, sessionOptionsOf } from './jobs.ts';
import { loadStoredVm } from '../../vmstore/load.ts';

/** Switch that names the Transientfile, on every command that reads one. */
export const FILE_SWITCH: CommandSwitch = {
  flags: '--file <PATH>',
  help: 'the Transientfile to read [default: Transientfile.toml in this directory or the nearest one above]',
};

/** The selected VMs of a Transientfile, with the flags applied. */
interface LoadedProject {
  readonly specs: readonly VmSpec[];
  readonly options: SessionOptions;
  readonly project: string;
}

/** Intent of `up`: a session, or a change of the detached project. */
export async function intendProject(invocation: Invocation): Promise<Result<ProjectIntent>> {
  const path = pathOf(invocation);
  if (!path.ok) return path;
  const record = findProject(invocation.environment, path.value);
  const isDetached = record !== undefined || invocation.switches['detach'] === true;
  const loaded = await loadProject(invocation, path.value, isDetached);
  if (!loaded.ok) return loaded;
  const { specs, options: options, project } = loaded.value;
  const place = placeOf(path.value, invocation);
  if (!isDetached) return ok({ kind: 'session', plan: planSession(specs, options), project, place });
  const change = changeProject(specs.map(wantedOf), record?.vms ?? [], options);
  return ok({ kind: 'change', change, record, file: path.value, project, place });
}

/** Changes required by changed files, and the files to watch. */
export interface Replanned {
  readonly change: ProjectChange;
  readonly files: readonly string[];
  /** Messages for the user. */
  readonly news: readonly string[];
}

/** VMs of a watched project in the current state of its file. */
export async function wantedNow(invocation: Invocation): Promise<Result<readonly Wanted[]>> {
  const path = pathOf(invocation);
  if (!path.ok) return path;
  const loaded = await loadProject(invocation, path.value, true);
  return loaded.ok ? ok(loaded.value.specs.map(wantedOf)) : loaded;
}

/** Replans a watched project: reruns commands, and restarts VMs whose copied files have changed. */
export async function replanProject(
  invocation: Invocation,
  existing: readonly Supervised[],
  touched: readonly string[],
  holding: HoldingBack,
): Promise<Result<Replanned>> {
  const path = pathOf(invocation);
  if (!path.ok) return path;
  const loaded = await loadProject(invocation, path.value, true);
  if (!loaded.ok) return loaded;
  const { wanted, news } = holding.settle(loaded.value.specs.map(wantedOf), existing);
  const isTouched = ({ copies }: VmSpec): boolean =>
    copies.in.some(({ host }) => touched.some((one) => isWithin(one, host)));
  const again = (spec: VmSpec): boolean => spec.connection.kind === 'ssh-command' || isTouched(spec);
  return ok({
    change: changeProject(wanted, existing, loaded.value.options, again),
    files: [path.value, ...wanted.flatMap(({ spec }) => spec.copies.in.map(({ host }) => host))],
    news,
  });
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

/** Real path of a Transientfile, and the link it was found by; none for a pipe. */
function namesOf(path: string, { workingDirectory, switches }: Invocation): string[] {
  if (isPiped(path)) return [];
  const found = findTransientfile(workingDirectory, switches['file'] as string | undefined);
  return [path, ...(found.ok ? [found.value] : [])];
}

/** Location of a project: the directory of its Transientfile, or the working directory for a pipe. */
export function placeOf(path: string, { workingDirectory }: Invocation): ProjectPlace {
  return { directory: isPiped(path) ? workingDirectory : dirname(path), workingDirectory };
}

async function loadProject(
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
  const specs = resolveProject(file.value, selected.value, upper, environment, stored.value, {
    // the most digits a process ID has on Linux
    unique: String(process.pid).padStart(7, '0'),
    detached,
    unchanged: unchangedFiles(file.value, namesOf(path, invocation), upper, workingDirectory),
  });
  if (!specs.ok) return failed(...(await placed(specs.problems, file.value.document)));
  const sessionOptions = { jobs: defaultJobs(specs.value), ...options.value };
  return ok({ specs: specs.value, options: sessionOptions, project: file.value.project });
}

/** Request to a supervisor for a change: its plan and the VMs it starts. */
export function orderOf({ plan, starting }: ProjectChange): Request {
  const vms = starting.map(({ spec, digest }) => ({
    name: spec.name,
    instance: spec.instance,
    digest,
    dependsOn: spec.dependsOn.map(({ vm }) => vm),
  }));
  return { plan, vms };
}

/** A session of this process, or a change of the detached project. */
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

/** Stored configurations of existing persistent VMs, by their keys in the file. */
async function storedVms(
  file: Transientfile,
  selected: readonly VmEntry[],
  upper: readonly Layer[],
  environment: Environment,
): Promise<Result<Map<string, StoredVm>>> {
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
