import { join } from 'node:path';
import type { Connection, Dependency, VmSpec } from '../config/vm-spec.ts';
import { ordered } from './graph.ts';
import { networkSteps, networksFor } from './networks.ts';
import { deviceShares, shareSteps } from './shares.ts';
import type { HoldServices, Plan, Step, StepId } from './step.ts';
import { retrievals, stateOf } from './stored-state.ts';
import { isUserStep, readinessIn, guestSteps } from './guest-steps.ts';

/** What is said of a session as a whole. */
export interface SessionOptions {
  /** How many VMs may boot at a time; all of them where it is missing. */
  readonly jobs?: number;
  /** A VM that fails ends nothing but what depends on it. */
  readonly keepGoing?: boolean;
  /** Each service stays until it is told to end, by itself. */
  readonly detached?: boolean;
  /** What the guests say on their serial consoles is shown. */
  readonly logs?: boolean;
  /** A directory in which it is kept. */
  readonly logDirectory?: string;
}

/** The VMs of a session by their names, each with what happens in it. */
type Work = ReadonlyMap<string, readonly Step[]>;

/** The whole plan for some VMs: their images, each VM's session, and every stop beside its boot. */
export function planSession(specs: readonly VmSpec[], manner: SessionOptions = {}): Plan {
  const { jobs, keepGoing } = manner;
  const alone = specs.length === 1 && manner.detached !== true;
  const ports = portsOf(specs);
  const work = new Map(specs.map((spec) => [spec.name, guestSteps(spec, `${spec.name}/boot`, alone)]));
  const holds =
    manner.detached === true ? specs.flatMap((spec) => ownHold(spec, work)) : holdFor(specs, work);
  const steps = specs.flatMap((spec) => {
    const served = servedBy(spec, specs, work, holds);
    const own = (work.get(spec.name) ?? []).map((step) =>
      // what is copied out of a service is what it has once it has served, and until then it has its folders
      step.kind === 'copy.out' || step.kind === 'share.unmount'
        ? { ...step, after: [...new Set([...step.after, ...served])] }
        : step,
    );
    const { take, giveBack, ready } = stateOf(spec, specs);
    const { serve, withdraw } = shareSteps(spec, spec.ssh);
    const needs = [
      ...[...ready, ...serve.map((step) => step.id), ...ports.map((step) => step.id), ...networksFor(spec)],
      ...spec.dependsOn.flatMap((dependency) => dependencyOf(dependency, work)),
    ];
    return [
      ...take,
      ...serve,
      bootOf(spec, needs, manner),
      ...own,
      stopOf(spec, own, served),
      ...withdraw,
      ...giveBack,
    ];
  });
  return {
    steps: ordered([...retrievals(specs), ...ports, ...networkSteps(specs), ...steps, ...holds]),
    foreground: specs.flatMap((spec) => foregroundOf(spec, alone)),
    exitFrom: [...work.values()].flat().flatMap((step) => (isUserStep(step) ? [step.id] : [])),
    ...(keepGoing === true ? { keepGoing } : {}),
    ...(jobs !== undefined && jobs < specs.length
      ? { starts: { limit: jobs, spans: [...work].map(spanOf) } }
      : {}),
  };
}

/** A VM is on its way from its boot to its readiness; one without ssh has only to be started. */
function spanOf([vm, work]: readonly [string, readonly Step[]]): { from: StepId; to: StepId } {
  const from = `${vm}/boot`;
  return { from, to: readinessIn(work).at(-1) ?? from };
}

/** What a VM waits for in another one. */
function dependencyOf({ vm, until }: Dependency, work: Work): StepId[] {
  const there = work.get(vm);
  // one that is not of this plan has come that far already
  if (there === undefined) return [];
  if (until === 'started') return [`${vm}/boot`];
  return until === 'done' ? [`${vm}/run`] : readinessIn(there);
}

/** A look at the ports of the host that were asked for by number, where any were. */
function portsOf(specs: readonly VmSpec[]): Step[] {
  const vms = specs
    .filter(({ ssh, forwards }) => ssh?.port !== undefined || forwards.some(({ host }) => host !== 0))
    .map(({ name: vm, ssh, forwards }) => ({ vm, ...(ssh ? { ssh } : {}), forwards }));
  if (vms.length === 0) return [];
  return [{ id: 'ports', kind: 'machine.ports', title: 'Ports of the host', needs: [], after: [], vms }];
}

function bootOf(
  spec: VmSpec,
  needs: readonly StepId[],
  { logs = false, logDirectory }: SessionOptions,
): Step {
  const { name: vm, connection, state } = spec;
  const shares = deviceShares(spec.shares);
  return {
    id: `${vm}/boot`,
    kind: 'machine.boot',
    vm,
    title: 'Boot',
    needs,
    after: [],
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
  };
}

/** A session is a console, of which the boot is the beginning; the stdout of a command is for what that writes. */
function serialOf(connection: Connection): 'never' | 'boot' | 'console' {
  if (!('serial' in connection) || !connection.serial) return 'never';
  return connection.kind === 'ssh-console' ? 'console' : 'boot';
}

/** A name that says which VM it is of; those of a Transientfile stand in it as they are. */
function serialLogOf(vm: string): string {
  return `${vm.replaceAll(/[^\w.-]/g, '_')}.serial.log`;
}

/** Where no VM has anything to run, the services themselves are what the user wants. */
function holdFor(specs: readonly VmSpec[], work: Work): Step[] {
  if (!specs.every(({ connection }) => connection.kind === 'service')) return [];
  const vms = specs.map((spec) => spec.name);
  const needs = [...work.values()].flatMap(readinessIn);
  return [
    { id: 'hold', kind: 'machine.hold', title: 'Services run until you interrupt', needs, after: [], vms },
  ];
}

/** A service that stays until it is told to end; it is what it is for. */
function ownHold({ name: vm, connection }: VmSpec, work: Work): HoldServices[] {
  if (connection.kind === 'ssh-command') return [];
  const [needs, title] = [readinessIn(work.get(vm) ?? []), 'Run until it is told to end'];
  return [{ id: `${vm}/hold`, kind: 'machine.hold', vm, title, needs, after: [], vms: [vm] }];
}

/** A VM stops after its own work and after what it serves. */
function stopOf({ name: vm, ending }: VmSpec, own: readonly Step[], served: readonly StepId[]): Step {
  return {
    id: `${vm}/stop`,
    kind: 'machine.stop',
    vm,
    title: 'Stop',
    needs: [],
    after: [...own.map((step) => step.id), ...served],
    undoes: `${vm}/boot`,
    ending,
  };
}

/** What a VM outlasts: those that depend on it, and, where it is a service, all work of the others. */
function servedBy(
  { name: vm, connection }: VmSpec,
  specs: readonly VmSpec[],
  work: Work,
  holds: readonly Step[],
): StepId[] {
  const dependents = specs
    .filter((other) => other.dependsOn.some((one) => one.vm === vm && one.until !== 'done'))
    .map((other) => other.name);
  const own = holds.filter((step) => step.vm === undefined || step.vm === vm);
  const stays = own.some((step) => step.vm === vm);
  const served = connection.kind === 'service' && !stays ? userStepsOf(work, dependents) : [];
  return [...dependents.map((other) => `${other}/stop`), ...served, ...own.map((step) => step.id)];
}

/** What the user asked of the other VMs; a dependent's stop comes after its own work already. */
function userStepsOf(work: Work, dependents: readonly string[]): StepId[] {
  const others = [...work].filter(([vm]) => !dependents.includes(vm));
  return others.flatMap(([, steps]) => steps.filter(isUserStep).map((step) => step.id));
}

/** The steps of a VM that own the terminal: from the boot where its output is shown, else only the session. */
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
