import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import type { Environment } from '../../config/merge.ts';
import { resolveProject, storeOfEntry, storedName } from '../../config/resolve.ts';
import { environmentLayer } from '../../config/merge.ts';
import type { StoredVm } from '../../config/stored.ts';
import type { Transientfile, VmEntry } from '../../config/transientfile.ts';
import { findTransientfile, loadTransientfile, selectVms } from '../../config/transientfile.ts';
import type { Layer } from '../../options/layer.ts';
import { placed } from '../../config/placement.ts';
import type { VmSpec } from '../../config/vm-spec.ts';
import type { ProjectRecord } from '../../host/projects.ts';
import { findProject } from '../../host/projects.ts';
import type { ProjectChange } from '../../plan/project.ts';
import { changeProject } from '../../plan/project.ts';
import { planSession } from '../../plan/session.ts';
import type { Plan } from '../../plan/step.ts';
import type { Result } from '../../problem.ts';
import { all, failed, ok } from '../../problem.ts';
import type { Invocation, Switch } from '../command.ts';
import { defaultJobs, mannerOf } from './jobs.ts';
import { loadStoredVm } from './stored-vm.ts';

/** Names the Transientfile, on every command that reads one. */
export const FILE_SWITCH: Switch = {
  flags: '--file <PATH>',
  help: 'the Transientfile to read [default: Transientfile.toml here or in a directory above]',
};

/** What `up` is to do with the VMs of the project's Transientfile that were named, with the flags over it. */
export async function intendProject(invocation: Invocation): Promise<Result<ProjectIntent>> {
  const { workingDirectory, environment, flags, switches, operands } = invocation;
  const manner = mannerOf(invocation);
  if (!manner.ok) return manner;
  const path = findTransientfile(workingDirectory, switches['file'] as string | undefined);
  if (!path.ok) return path;
  const file = await loadTransientfile(path.value, workingDirectory);
  if (!file.ok) return file;
  const selected = selectVms(file.value, operands);
  if (!selected.ok) return selected;
  const real = realpathSync(path.value);
  const record = await findProject(environment, real);
  const detached = record !== undefined || switches['detach'] === true;
  const above = [environmentLayer(environment, workingDirectory), flags];
  const stored = await storedVms(file.value, selected.value, above, environment);
  if (!stored.ok) return stored;
  const specs = resolveProject(
    file.value,
    selected.value,
    above,
    environment,
    stored.value,
    // as many digits as Linux ever gives a process
    String(process.pid).padStart(7, '0'),
    detached,
  );
  if (!specs.ok) return failed(...(await placed(specs.problems, file.value.document)));
  const how = { jobs: defaultJobs(specs.value), ...manner.value };
  if (!detached) return ok({ kind: 'session', plan: planSession(specs.value, how) });
  const wanted = specs.value.map((spec) => ({ spec, digest: digestOf(spec) }));
  const change = changeProject(wanted, record?.vms ?? [], how);
  return ok({ kind: 'change', change, record, file: real, project: file.value.project });
}

/** A session of its own, or a change of what runs detached. */
export type ProjectIntent =
  | { readonly kind: 'session'; readonly plan: Plan }
  | {
      readonly kind: 'change';
      readonly change: ProjectChange;
      readonly record: ProjectRecord | undefined;
      readonly file: string;
      readonly project: string;
    };

/** Changes when what a file says of a VM does; what only a run gives a VM is not of it. */
function digestOf({ state, ...spec }: VmSpec): string {
  const kept =
    state?.temporary === false ? { name: state.name, vmstore: state.vmstore } : state !== undefined;
  return createHash('sha256')
    .update(JSON.stringify([spec, kept]))
    .digest('hex')
    .slice(0, 16);
}

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
