import { createHash } from 'node:crypto';
import type { VmSpec } from '../config/vm-spec.ts';
import { independent, ordered } from './graph.ts';
import type { SessionOptions } from './session.ts';
import { planSession } from './session.ts';
import type { EndSession, Plan, Step } from './step.ts';
import { vmTitle } from './facts.ts';
import { newStep } from './new-step.ts';

/** A VM that a supervisor runs or has run, for planning. */
export interface SupervisedVm {
  /** Its name in the file, and its name while it runs. */
  readonly name: string;
  readonly instance: string;
  /** Digest of its configuration. */
  readonly digest: string;
  /** VMs that are stopped after it. */
  readonly dependsOn: readonly string[];
  /** `done`: its command exited with 0. `ended`: it was up, and ended by itself. */
  readonly state: 'starting' | 'running' | 'done' | 'failed' | 'ended';
}

/** A VM of a file, and the digest of its configuration. */
export interface Wanted {
  readonly spec: VmSpec;
  readonly digest: string;
}

export function wantedOf(spec: VmSpec): Wanted {
  return { spec, digest: digestOf(spec) };
}

/** Digest of a VM's configuration, without values that differ between runs. */
function digestOf({ state, ...spec }: VmSpec): string {
  const stable =
    state?.temporary === false ? { name: state.name, vmstore: state.vmstore } : state !== undefined;
  return createHash('sha256')
    .update(JSON.stringify([spec, stable]))
    .digest('hex')
    .slice(0, 16);
}

/** Changes needed to reach the wanted VMs: those that stay, and a plan for the others. */
export interface ProjectChange {
  readonly plan: Plan;
  readonly starting: readonly Wanted[];
  readonly staying: readonly string[];
}

/**
 * Keeps unchanged VMs, replaces changed ones, and starts missing ones. `again` selects VMs to restart although they have
 * not changed.
 */
export function changeProject(
  wanted: readonly Wanted[],
  existing: readonly SupervisedVm[],
  options: SessionOptions,
  again: (spec: VmSpec) => boolean = () => false,
): ProjectChange {
  const now = new Map(existing.map((vm) => [vm.name, vm]));
  const isAsWanted = ({ spec, digest }: Wanted): boolean => {
    const vm = now.get(spec.name);
    return vm !== undefined && (isUp(vm) || vm.state === 'done') && vm.digest === digest && !again(spec);
  };
  const changed = wanted.filter((one) => !isAsWanted(one)).map(({ spec }) => spec.name);
  // dependents of a replaced VM are restarted with it
  const replaced = withDependents(
    existing.filter((vm) => changed.includes(vm.name) && isUp(vm)),
    existing,
  );
  const starting = wanted.filter(
    ({ spec }) => changed.includes(spec.name) || replaced.some(({ name }) => name === spec.name),
  );
  const ends = endings(replaced);
  const session = planSession(
    starting.map(({ spec }) => spec),
    { ...options, keepGoing: true, detached: true },
  );
  const afterEnd = (step: Step): Step => {
    // requested host ports are still in use by the VMs that are stopped
    if (step.kind === 'machine.ports')
      return { ...step, after: [...step.after, ...ends.map(({ id }) => id)] };
    return step.vm !== undefined && step.undoes === undefined && ends.some(({ vm }) => vm === step.vm)
      ? { ...step, after: [...step.after, `${step.vm}/end`] }
      : step;
  };
  return {
    plan: { ...session, steps: ordered([...ends, ...session.steps.map(afterEnd)]) },
    starting,
    staying: wanted.filter((one) => !starting.includes(one)).map(({ spec }) => spec.name),
  };
}

/** Plans to stop VMs and their dependents; all VMs if none is named. */
export function planDown(existing: readonly SupervisedVm[], names: readonly string[]): Plan {
  const named = names.length > 0 ? existing.filter(({ name }) => names.includes(name)) : existing;
  const steps = endings(withDependents(named, existing).filter(isUp));
  return independent(ordered(steps));
}

/** VMs and their running dependents. */
function withDependents(
  vms: readonly SupervisedVm[],
  existing: readonly SupervisedVm[],
): readonly SupervisedVm[] {
  const found = new Set(vms);
  for (let before = -1; before !== found.size;) {
    before = found.size;
    const names = [...found].map(({ name }) => name);
    const dependents = existing.filter((vm) => isUp(vm) && vm.dependsOn.some((name) => names.includes(name)));
    dependents.forEach((vm) => found.add(vm));
  }
  return existing.filter((vm) => found.has(vm));
}

/** Whether a VM is running or starting. */
export function isUp({ state }: Pick<SupervisedVm, 'state'>): boolean {
  return state === 'starting' || state === 'running';
}

/** Steps that stop VMs, each after its dependents. */
function endings(vms: readonly SupervisedVm[]): EndSession[] {
  return vms.map(({ name: vm }) =>
    newStep({
      id: `${vm}/end`,
      kind: 'session.end',
      phase: 'stop',
      vm,
      title: vmTitle('Stop', vm),
      after: vms.filter(({ dependsOn }) => dependsOn.includes(vm)).map(({ name }) => `${name}/end`),
    }),
  );
}
