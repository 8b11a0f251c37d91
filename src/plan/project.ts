import { createHash } from 'node:crypto';
import type { VmSpec } from '../config/vm-spec.ts';
import { ordered } from './graph.ts';
import type { SessionOptions } from './session.ts';
import { planSession } from './session.ts';
import type { EndSession, Plan, Step } from './step.ts';

/** A VM that a supervisor runs or has run, as far as a plan has to do with it. */
export interface Supervised {
  readonly name: string;
  readonly digest: string;
  readonly dependsOn: readonly string[];
  /** `done`: its command ended with 0. `ended`: it was up, and ended by itself. */
  readonly state: 'starting' | 'running' | 'done' | 'failed' | 'ended';
}

/** A VM as a file has it, and what changes when that does. */
export interface Wanted {
  readonly spec: VmSpec;
  readonly digest: string;
}

export function wantedOf(spec: VmSpec): Wanted {
  return { spec, digest: digestOf(spec) };
}

/** Changes when what a file says of a VM does; what only a run gives a VM is not of it. */
function digestOf({ state, ...spec }: VmSpec): string {
  const kept =
    state?.temporary === false ? { name: state.name, vmstore: state.vmstore } : state !== undefined;
  return createHash('sha256')
    .update(JSON.stringify([spec, kept]))
    .digest('hex')
    .slice(0, 16);
}

/** What is to be done so that VMs are as they are wanted: those that stay, and a plan for the others. */
export interface ProjectChange {
  readonly plan: Plan;
  readonly starting: readonly Wanted[];
  readonly staying: readonly string[];
}

/**
 * Leaves alone what is as it is wanted, replaces what differs, and starts what is missing. `again` are VMs that run
 * once more though nothing of them has changed.
 */
export function changeProject(
  wanted: readonly Wanted[],
  there: readonly Supervised[],
  manner: SessionOptions,
  again: (spec: VmSpec) => boolean = () => false,
): ProjectChange {
  const now = new Map(there.map((vm) => [vm.name, vm]));
  const isAsWanted = ({ spec, digest }: Wanted): boolean => {
    const vm = now.get(spec.name);
    return vm !== undefined && (isUp(vm) || vm.state === 'done') && vm.digest === digest && !again(spec);
  };
  const changed = wanted.filter((one) => !isAsWanted(one)).map(({ spec }) => spec.name);
  // a VM outlasts those that depend on it: they go with the one that is replaced, and come again
  const replaced = withDependents(
    there.filter((vm) => changed.includes(vm.name) && isUp(vm)),
    there,
  );
  const starting = wanted.filter(
    ({ spec }) => changed.includes(spec.name) || replaced.some(({ name }) => name === spec.name),
  );
  const ends = endings(replaced);
  const session = planSession(
    starting.map(({ spec }) => spec),
    { ...manner, keepGoing: true, detached: true },
  );
  const afterEnd = (step: Step): Step => {
    // the ports of the host that are asked for are still those of the VMs that end
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

/** Ends VMs, and with them those that depend on them; all where none is named. */
export function planDown(there: readonly Supervised[], names: readonly string[]): Plan {
  const named = names.length > 0 ? there.filter(({ name }) => names.includes(name)) : there;
  const steps = endings(withDependents(named, there).filter(isUp));
  return { steps: ordered(steps), foreground: [], exitFrom: [], keepGoing: true };
}

/** VMs, and those of the others that live and depend on any of them. */
function withDependents(vms: readonly Supervised[], there: readonly Supervised[]): readonly Supervised[] {
  const found = new Set(vms);
  for (let before = -1; before !== found.size;) {
    before = found.size;
    const names = [...found].map(({ name }) => name);
    const dependents = there.filter((vm) => isUp(vm) && vm.dependsOn.some((name) => names.includes(name)));
    dependents.forEach((vm) => found.add(vm));
  }
  return there.filter((vm) => found.has(vm));
}

/** Whether a VM runs, or is about to. */
export function isUp({ state }: Pick<Supervised, 'state'>): boolean {
  return state === 'starting' || state === 'running';
}

/** Each ends after those that depend on it. */
function endings(vms: readonly Supervised[]): EndSession[] {
  return vms.map(({ name: vm }) => ({
    id: `${vm}/end`,
    kind: 'session.end',
    vm,
    title: 'End',
    needs: [],
    after: vms.filter(({ dependsOn }) => dependsOn.includes(vm)).map(({ name }) => `${name}/end`),
  }));
}
