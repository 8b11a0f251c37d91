import { join } from 'node:path';
import type { Connection } from '../config/connection.ts';
import type { Dependency, VmSpec } from '../config/vm-spec.ts';
import { ordered } from './graph.ts';
import { networkSteps, networksFor } from './networks.ts';
import { seedSteps } from './seed-steps.ts';
import { deviceShares, shareSteps } from './shares.ts';
import type { HoldServices, Plan, Step, StepId } from './step.ts';
import { bootFacts } from './facts.ts';
import { newStep } from './new-step.ts';
import { retrievals, stateOf } from './stored-state.ts';
import { guestSteps, readinessIn, userSteps } from './guest-steps.ts';

/** Options of a session as a whole. */
export interface SessionOptions {
  /** How many VMs may boot at the same time; unlimited if undefined. */
  readonly jobs?: number;
  /** Whether a failed VM ends only its dependents. */
  readonly keepGoing?: boolean;
  /** Whether each service runs until it is stopped individually. */
  readonly detached?: boolean;
  /** Whether the serial output of guests is shown. */
  readonly logs?: boolean;
  /** Directory for the serial output. */
  readonly logDirectory?: string;
}

/** Steps in the guests of a session, by VM name. */
type Work = ReadonlyMap<string, readonly Step[]>;

/** Builds the plan for VMs: their images, each VM's session, and a stop for every boot. */
export function planSession(specs: readonly VmSpec[], options: SessionOptions = {}): Plan {
  const { jobs, keepGoing } = options;
  const alone = specs.length === 1 && options.detached !== true;
  const ports = portsOf(specs);
  const work = new Map(specs.map((spec) => [spec.name, guestSteps(spec, `${spec.name}/boot`, alone)]));
  const holds =
    options.detached === true ? specs.flatMap((spec) => serviceHold(spec, work)) : holdFor(specs, work);
  const steps = specs.flatMap((spec) => {
    const served = servedBy(spec, specs, work, holds);
    const steps = (work.get(spec.name) ?? []).map((step) =>
      // copies out of a service, and the end of its shares, come after it has served
      step.kind === 'copy.out' || step.kind === 'share.unmount'
        ? { ...step, after: [...new Set([...step.after, ...served])] }
        : step,
    );
    const { take, giveBack, ready } = stateOf(spec, specs);
    const { serve, withdraw } = shareSteps(spec, spec.ssh);
    const { create, remove } = seedSteps(spec);
    const needs = [
      ...ready,
      ...[...create, ...serve, ...ports].map((step) => step.id),
      ...networksFor(spec),
      ...spec.dependsOn.flatMap((dependency) => dependencyOf(dependency, work)),
    ];
    return [
      ...take,
      ...serve,
      ...create,
      bootOf(spec, needs, options),
      ...steps,
      stopOf(spec, steps, served),
      ...withdraw,
      ...remove,
      ...giveBack,
    ];
  });
  return {
    steps: ordered([...retrievals(specs), ...ports, ...networkSteps(specs), ...steps, ...holds]),
    foreground: specs.flatMap((spec) => foregroundOf(spec, alone)),
    exitFrom: [...work.values()].flatMap(userSteps),
    ...(keepGoing === true ? { keepGoing } : {}),
    ...(jobs !== undefined && jobs < specs.length
      ? { starts: { limit: jobs, spans: [...work].map(spanOf) } }
      : {}),
  };
}

/** Limit on VMs that are booting: from boot to readiness, or for a VM without ssh just the start. */
function spanOf([vm, work]: readonly [string, readonly Step[]]): { from: StepId; to: StepId } {
  const from = `${vm}/boot`;
  return { from, to: readinessIn(work).at(-1) ?? from };
}

/** Steps of another VM that a dependent waits for. */
function dependencyOf({ vm, until }: Dependency, work: Work): StepId[] {
  const guestSteps = work.get(vm);
  // a VM outside this plan has reached that state already
  if (guestSteps === undefined) return [];
  if (until === 'started') return [`${vm}/boot`];
  return until === 'done' ? [`${vm}/run`] : readinessIn(guestSteps);
}

/** Step that checks explicitly requested host ports, if any. */
function portsOf(specs: readonly VmSpec[]): Step[] {
  const vms = specs
    .filter(({ ssh, forwards }) => ssh?.port !== undefined || forwards.some(({ host }) => host !== 0))
    .map(({ name: vm, ssh, forwards }) => ({ vm, ...(ssh ? { ssh } : {}), forwards }));
  if (vms.length === 0) return [];
  return [
    newStep({
      id: 'ports',
      kind: 'machine.ports',
      phase: 'prepare',
      title: 'Check host ports',
      detail: vms.map(({ vm }) => vm),
      vms,
    }),
  ];
}

function bootOf(
  spec: VmSpec,
  needs: readonly StepId[],
  { logs = false, logDirectory }: SessionOptions,
): Step {
  const { name: vm, connection, state } = spec;
  const shares = deviceShares(spec.shares);
  return newStep({
    id: `${vm}/boot`,
    kind: 'machine.boot',
    phase: 'boot',
    vm,
    title: 'Boot',
    detail: bootFacts(spec),
    programs: [spec.machine.program],
    needs,
    instance: spec.instance,
    images: spec.images,
    disks: state === undefined ? 'snapshot' : 'stored',
    vmstore: spec.vmstore,
    machine: spec.machine,
    ...(shares ? { shares } : {}),
    ...(spec.ssh ? { ssh: spec.ssh } : {}),
    forwards: spec.forwards,
    networks: spec.networks.map(({ name, mac }) => ({ name, mac })),
    console: connection.kind === 'qemu-console',
    showSerial: logs ? 'always' : serialOf(connection),
    ...(logDirectory === undefined ? {} : { serialLog: join(logDirectory, serialLogOf(vm)) }),
  });
}

/** Where serial output is shown: before a console on its stdout, before a command on stderr. */
function serialOf(connection: Connection): 'never' | 'boot' | 'console' {
  if (!('serial' in connection) || !connection.serial) return 'never';
  return connection.kind === 'ssh-console' ? 'console' : 'boot';
}

/** Name of a log file that identifies its VM; names of a Transientfile are used unchanged. */
function serialLogOf(vm: string): string {
  return `${vm.replaceAll(/[^\w.-]/g, '_')}.serial.log`;
}

/** Step that keeps services running if no VM has anything to run. */
function holdFor(specs: readonly VmSpec[], work: Work): Step[] {
  if (!specs.every(({ connection }) => connection.kind === 'service')) return [];
  const vms = specs.map((spec) => spec.name);
  const needs = [...work.values()].flatMap(readinessIn);
  const title = 'Run services until interrupted';
  return [newStep({ id: 'hold', kind: 'machine.hold', phase: 'user', title, needs, vms })];
}

/** Step that keeps a service running until it is stopped. */
function serviceHold({ name: vm, connection }: VmSpec, work: Work): HoldServices[] {
  if (connection.kind === 'ssh-command') return [];
  const [needs, title] = [readinessIn(work.get(vm) ?? []), 'Run until stopped'];
  return [newStep({ id: `${vm}/hold`, kind: 'machine.hold', phase: 'user', vm, title, needs, vms: [vm] })];
}

/** Step that stops a VM, after its own steps and those it serves. */
function stopOf({ name: vm, ending }: VmSpec, steps: readonly Step[], served: readonly StepId[]): Step {
  return newStep({
    id: `${vm}/stop`,
    kind: 'machine.stop',
    phase: 'stop',
    vm,
    title: 'Shut down',
    detail: [ending.kind === 'at-once' ? 'at once, nothing is kept' : `orderly, within ${ending.timeout} s`],
    after: [...steps.map((step) => step.id), ...served],
    undoes: `${vm}/boot`,
    ending,
  });
}

/** Steps that a VM outlasts: its dependents, and for a service all work of the other VMs. */
function servedBy(
  { name: vm, connection }: VmSpec,
  specs: readonly VmSpec[],
  work: Work,
  holds: readonly Step[],
): StepId[] {
  const dependents = specs
    .filter((other) => other.dependsOn.some((one) => one.vm === vm && one.until !== 'done'))
    .map((other) => other.name);
  const vmHolds = holds.filter((step) => step.vm === undefined || step.vm === vm);
  const stays = vmHolds.some((step) => step.vm === vm);
  const served = connection.kind === 'service' && !stays ? userStepsOf(work, dependents) : [];
  return [...dependents.map((other) => `${other}/stop`), ...served, ...vmHolds.map((step) => step.id)];
}

/** Work of the other VMs; dependents are covered by their stop steps. */
function userStepsOf(work: Work, dependents: readonly string[]): StepId[] {
  const others = [...work].filter(([vm]) => !dependents.includes(vm));
  return others.flatMap(([, steps]) => userSteps(steps));
}

/** Steps of a VM that own the terminal: from the boot if its output is shown, else only the session. */
function foregroundOf({ name, connection, ssh }: VmSpec, alone: boolean): StepId[] {
  const booted = [`${name}/boot`, ...(ssh && connection.kind !== 'qemu-console' ? [`${name}/ready`] : [])];
  switch (connection.kind) {
    case 'service':
      return [];
    case 'qemu-console':
      return [...booted, `${name}/console`];
    case 'ssh-console':
      return [...(connection.serial ? booted : []), `${name}/console`];
    case 'ssh-command':
      if (connection.serial) return [...booted, `${name}/run`];
      return alone ? [`${name}/run`] : [];
  }
}
