import { isWithin } from '../config/path-components.ts';
import type { VmSpec } from '../config/vm-spec.ts';
import type { Request } from '../daemon/protocol.ts';
import type { ProjectRecord } from '../daemon/registry.ts';
import { findProject } from '../daemon/registry.ts';
import type { WatchedPlan } from '../daemon/watch.ts';
import type { HoldingBack } from '../plan/pending-restart.ts';
import type { ProjectChange, SupervisedVm, Wanted } from '../plan/project.ts';
import { changeProject, wantedOf } from '../plan/project.ts';
import { planSession } from '../plan/session.ts';
import type { Plan } from '../plan/step.ts';
import type { Result } from '../problem.ts';
import { ok } from '../problem.ts';
import type { Invocation } from './command.ts';
import { loadProject, pathOf, placeOf, refuseUnpinned } from './project-file.ts';
import type { ProjectPlace } from './project-place.ts';

/** Plan of `up`: for a session of this process, or for a change of the detached project. */
export interface ProjectPlan {
  readonly plan: Plan;
  readonly place: ProjectPlace;
  readonly project: string;
  readonly detached?: DetachedChange;
}

/** Change of a detached project. */
export interface DetachedChange {
  readonly change: ProjectChange;
  /** Record of its supervisor, if it runs. */
  readonly record: ProjectRecord | undefined;
  /** Real path of the Transientfile. */
  readonly file: string;
}

/** Plans what `up` does with the Transientfile. */
export async function planProject(invocation: Invocation): Promise<Result<ProjectPlan>> {
  const path = pathOf(invocation);
  if (!path.ok) return path;
  const file = path.value;
  const record = findProject(invocation.environment, file);
  const isDetached = record !== undefined || invocation.switches['detach'] === true;
  const loaded = await loadProject(invocation, file, isDetached);
  if (!loaded.ok) return loaded;
  const { specs, options, project } = loaded.value;
  const place = placeOf(file, invocation);
  if (!isDetached) return ok({ plan: planSession(specs, options), place, project });
  const change = changeProject(specs.map(wantedOf), record?.vms ?? [], options);
  return ok({ plan: change.plan, place, project, detached: { change, record, file } });
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
  existing: readonly SupervisedVm[],
  touched: readonly string[],
  holding: HoldingBack,
): Promise<Result<WatchedPlan>> {
  const path = pathOf(invocation);
  if (!path.ok) return path;
  const loaded = await loadProject(invocation, path.value, true);
  if (!loaded.ok) return loaded;
  const pinned = invocation.switches['plan'] === true ? ok(undefined) : refuseUnpinned(loaded.value.specs);
  if (!pinned.ok) return pinned;
  const { wanted, news } = holding.settle(loaded.value.specs.map(wantedOf), existing);
  const isTouched = ({ copies }: VmSpec): boolean =>
    copies.in.some(({ host }) => touched.some((one) => isWithin(one, host)));
  const again = (spec: VmSpec): boolean => spec.connection.kind === 'ssh-command' || isTouched(spec);
  return ok({
    request: requestFor(changeProject(wanted, existing, loaded.value.options, again)),
    files: [path.value, ...wanted.flatMap(({ spec }) => spec.copies.in.map(({ host }) => host))],
    news,
  });
}

/** Request to a supervisor for a change: its plan and the VMs it starts. */
export function requestFor({ plan, starting }: ProjectChange): Request {
  const vms = starting.map(({ spec, digest }) => ({
    name: spec.name,
    instance: spec.instance,
    digest,
    dependsOn: spec.dependsOn.map(({ vm }) => vm),
  }));
  return { plan, vms };
}
