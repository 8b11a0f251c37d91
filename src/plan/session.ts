import { join } from 'node:path';
import type { Connection, Dependency, ImageNeed, SshSpec, StateSpec, VmSpec } from '../config/vm-spec.ts';
import { directCopies, offlineCopies } from './copies.ts';
import { ordered, waitsFor } from './graph.ts';
import { retrieval } from './images.ts';
import { deviceShares, shareSteps } from './shares.ts';
import { joinOf, networkSteps, networksFor } from './networks.ts';
import type { AwaitGuest, CreateVm, HoldServices, LockVm, Plan, Step, StepId } from './step.ts';

/** What is said of a session as a whole. */
export interface SessionManner {
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

/** The whole plan for some VMs: their images, each VM's session, and every stop beside its boot. */
export function planSession(specs: readonly VmSpec[], manner: SessionManner = {}): Plan {
  const { jobs, keepGoing } = manner;
  const alone = specs.length === 1 && manner.detached !== true;
  const images = retrievals(specs);
  const work = new Map(specs.map((spec) => [spec.name, workOf(spec, `${spec.name}/boot`, alone)]));
  const holds = manner.detached === true ? specs.flatMap(ownHold) : holdFor(specs);
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
    const boot = bootOf(spec, [...ready, ...serve.map((step) => step.id)], specs, manner);
    return [...take, ...serve, boot, ...own, stopOf(spec, own, served), ...withdraw, ...giveBack];
  });
  return {
    steps: ordered([...images, ...portsOf(specs), ...networkSteps(specs), ...steps, ...holds]),
    foreground: specs.flatMap((spec) => foregroundOf(spec, alone)),
    exitFrom: [...work.values()].flat().flatMap((step) => (isUserStep(step) ? [step.id] : [])),
    ...(keepGoing === true ? { keepGoing } : {}),
    ...(jobs !== undefined && jobs < specs.length
      ? { starts: { limit: jobs, spans: specs.map(spanOf) } }
      : {}),
  };
}

/** A VM is on its way from its boot to its readiness; one without ssh has only to be started. */
function spanOf(spec: VmSpec): { from: StepId; to: StepId } {
  const from = `${spec.name}/boot`;
  return { from, to: readinessOf(spec).at(-1) ?? from };
}

/** VMs with a backend of their own can have another image by the same name. */
function imageStepId({ name, backend }: ImageNeed, specs: readonly VmSpec[]): StepId {
  const namesakes = specs.flatMap((spec) => spec.images.filter((image) => image.name === name));
  const alone = namesakes.every((image) => image.backend === backend);
  return alone ? `image/${name}` : `image/${name}@${backend}`;
}

/** One retrieval for each image, however many VMs need it; a VM that exists has its disks. */
function retrievals(specs: readonly VmSpec[]): Step[] {
  const all = specs.filter(needsImages).flatMap((spec) => spec.images);
  const needs = new Map(all.map((image) => [imageStepId(image, specs), image] as const));
  return [...needs].map(([id, image]) => retrieval(id, image));
}

function needsImages({ state }: VmSpec): boolean {
  return state === undefined || state.creation !== undefined;
}

function imageSteps(spec: VmSpec, specs: readonly VmSpec[]): StepId[] {
  return needsImages(spec) ? [...new Set(spec.images.map((image) => imageStepId(image, specs)))] : [];
}

/** `create IMAGE`: a VM's place in the store, and nothing more. */
export function planCreate(spec: VmSpec): Plan {
  const steps = [...retrievals([spec]), ...creationOf(spec, [spec], { existing: 'refuse', announce: true })];
  return { steps: ordered(steps), foreground: [], exitFrom: [] };
}

function creationOf(
  spec: VmSpec,
  specs: readonly VmSpec[],
  how: Pick<CreateVm, 'existing' | 'announce'>,
): Step[] {
  const { name: vm, images, state } = spec;
  if (state?.creation === undefined) return [];
  return [
    {
      id: `${vm}/create`,
      kind: 'vm.create',
      vm,
      title: `Create VM '${state.name}'`,
      needs: imageSteps(spec, specs),
      after: [],
      name: state.name,
      vmstore: state.vmstore,
      images,
      ...state.creation,
      ...how,
    },
  ];
}

/** What a VM with a place in the store needs before it boots, and what is given back once it has ended. */
interface StateSteps {
  readonly take: readonly Step[];
  readonly giveBack: readonly Step[];
  /** What its boot needs. */
  readonly ready: readonly StepId[];
}

function stateOf(spec: VmSpec, specs: readonly VmSpec[]): StateSteps {
  const { name: vm, state, images, copies } = spec;
  if (state === undefined) return { take: [], giveBack: [], ready: imageSteps(spec, specs) };
  const offline = copies.direct ? { ...copies, in: [], out: [] } : copies;
  const { builder, timeout } = copies;
  const shared = { vm, builder, timeout };
  const lockId = `${vm}/lock`;
  const before = offlineCopies({
    ...shared,
    direction: 'in',
    copies: offline.in,
    needs: [lockId],
    after: [],
  });
  const [boot, stop] = [`${vm}/boot`, `${vm}/stop`];
  const after = offlineCopies({
    ...shared,
    direction: 'out',
    copies: offline.out,
    needs: [boot],
    after: [stop],
  });
  const create = creationOf(spec, specs, { existing: 'use', announce: false });
  const [lock, unlock] = holding({
    vm,
    state,
    purpose: 'run',
    image: images[0].name,
    needs: create.map((step) => step.id),
    until: [stop, ...[...before, ...after].map((step) => step.id)],
  });
  return {
    take: [...create, lock, ...before],
    giveBack: [...after, unlock, ...(state.temporary ? [removalOf(vm, state)] : [])],
    ready: [lock.id, ...before.map((step) => step.id)],
  };
}

/** A temporary VM leaves the store when all is done with it. */
function removalOf(vm: string, { name, vmstore }: StateSpec): Step {
  const [undoes, unlocked] = [`${vm}/create`, `${vm}/unlock`];
  const title = 'Remove what was temporary';
  return {
    id: `${vm}/remove`,
    kind: 'vm.remove',
    vm,
    title,
    needs: [],
    after: [unlocked],
    undoes,
    name,
    vmstore,
  };
}

/** A VM of the store had for ourselves, and left to others after some steps. */
export function holding(what: {
  readonly vm: string;
  readonly state: { readonly name: string; readonly vmstore: string };
  readonly purpose: LockVm['purpose'];
  readonly image?: string;
  readonly needs: readonly StepId[];
  readonly until: readonly StepId[];
}): [Step, Step] {
  const { vm, state, purpose, image, needs, until } = what;
  const id = `${vm}/lock`;
  const { name, vmstore } = state;
  return [
    {
      id,
      kind: 'vm.lock',
      vm,
      title: 'Lock',
      needs,
      after: [],
      name,
      vmstore,
      purpose,
      ...(image === undefined ? {} : { image }),
    },
    { id: `${vm}/unlock`, kind: 'vm.unlock', vm, title: 'Unlock', needs: [], after: until, undoes: id },
  ];
}

/** A look at the ports of the host that were asked for by number, where any were. */
function portsOf(specs: readonly VmSpec[]): Step[] {
  const vms = specs
    .filter(({ ssh, forwards }) => ssh?.port !== undefined || forwards.some(({ host }) => host !== 0))
    .map(({ name: vm, ssh, forwards }) => ({ vm, ...(ssh ? { ssh } : {}), forwards }));
  if (vms.length === 0) return [];
  return [{ id: 'ports', kind: 'machine.ports', title: 'Ports of the host', needs: [], after: [], vms }];
}

/** The steps by which a VM is ready for those that depend on it: the last of those that come before its own session. */
function readinessOf(spec: VmSpec): StepId[] {
  const prelude = workOf(spec, `${spec.name}/boot`, false).filter(({ kind }) => PRELUDE.includes(kind));
  const waitedFor = new Set(prelude.flatMap(waitsFor));
  return prelude.map((step) => step.id).filter((id) => !waitedFor.has(id));
}

const PRELUDE: readonly Step['kind'][] = [
  'guest.ready',
  'network.join',
  'share.mount',
  'copy.in',
  'guest.settle',
];

/** What a VM waits for in another one. */
function dependencyOf({ vm, until }: Dependency, specs: readonly VmSpec[]): StepId[] {
  // one that is not of this plan has come that far already
  if (!specs.some(({ name }) => name === vm)) return [];
  if (until === 'started') return [`${vm}/boot`];
  if (until === 'done') return [`${vm}/run`];
  return specs.filter(({ name }) => name === vm).flatMap(readinessOf);
}

function bootOf(
  spec: VmSpec,
  ready: readonly StepId[],
  specs: readonly VmSpec[],
  { logs = false, logDirectory }: SessionManner,
): Step {
  const { name: vm, connection, state } = spec;
  const shares = deviceShares(spec.shares);
  return {
    id: `${vm}/boot`,
    kind: 'machine.boot',
    vm,
    title: 'Boot',
    needs: [
      ...ready,
      ...portsOf(specs).map(({ id }) => id),
      ...networksFor(spec),
      ...spec.dependsOn.flatMap((dependency) => dependencyOf(dependency, specs)),
    ],
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
    showSerial: logs ? 'always' : 'serial' in connection && connection.serial ? 'boot' : 'never',
    ...(logDirectory === undefined ? {} : { serialLog: join(logDirectory, serialLogOf(vm)) }),
  };
}

/** A name that says which VM it is of; those of a Transientfile stand in it as they are. */
function serialLogOf(vm: string): string {
  return `${vm.replaceAll(/[^\w.-]/g, '_')}.serial.log`;
}

/** What happens in a VM between its boot, or another step by which it is there, and its stop. */
export function workOf(
  spec: Pick<VmSpec, 'name' | 'connection' | 'ssh' | 'copies' | 'shares' | 'networks' | 'readiness'>,
  boot: StepId,
  alone: boolean,
): Step[] {
  const { name: vm, connection, ssh } = spec;
  const { mount, unmount } = shareSteps(spec, ssh);
  const console: Step[] =
    connection.kind === 'qemu-console'
      ? [{ id: `${vm}/console`, kind: 'machine.console', vm, title: 'Console', needs: [boot], after: [] }]
      : [];
  if (ssh === undefined || (connection.kind === 'qemu-console' && mount.length === 0)) return console;
  const ready: AwaitGuest = {
    id: `${vm}/ready`,
    kind: 'guest.ready',
    vm,
    title: 'Wait for ssh',
    needs: [boot],
    after: [],
    ssh,
    // copies, folders and what joins a network go through a login of the user's ssh program too
    forSession:
      connection.kind !== 'service' ||
      spec.copies.direct ||
      mount.length > 0 ||
      spec.networks.length > 0 ||
      spec.readiness !== undefined,
  };
  const join = joinOf(spec, ssh, ready.id);
  const first = [...join, ...mount];
  const given = [...first, ...directCopies(spec, 'in', ssh, first.at(-1)?.id)];
  const before = [...given, ...settlingOf(spec, ssh, [ready, ...given])];
  const session = [...console, ...sessionOf(vm, connection, ssh, [ready, ...before], alone)];
  const work = [...before, ...session, ...directCopies(spec, 'out', ssh, session[0]?.id)];
  const inside = [...work, ...unmount(work.map((step) => step.id))];
  return [ready, ...inside, ...(ready.forSession ? [leaveOf(vm, ready.id, inside)] : [])];
}

/** A guest that answers may have more to do before it is of use: its own command tells. */
function settlingOf(
  { name: vm, readiness }: Pick<VmSpec, 'name' | 'readiness'>,
  ssh: SshSpec,
  before: readonly Step[],
): Step[] {
  if (readiness === undefined) return [];
  const needs = before.map((step) => step.id);
  const title = titleOf('Wait for', readiness.command);
  return [{ id: `${vm}/settle`, kind: 'guest.settle', vm, title, needs, after: [], ssh, ...readiness }];
}

/** The session that the user asked for; a service has none. */
function sessionOf(
  vm: string,
  connection: Connection,
  ssh: SshSpec,
  before: readonly Step[],
  alone: boolean,
): Step[] {
  const onReady = { vm, needs: before.map((step) => step.id), after: [], ssh };
  switch (connection.kind) {
    case 'ssh-console':
      return [{ ...onReady, id: `${vm}/console`, kind: 'guest.console', title: 'Console' }];
    case 'ssh-command': {
      const { command } = connection;
      const ownsTerminal = alone || connection.serial;
      const title = titleOf('Run', command);
      return [{ ...onReady, id: `${vm}/run`, kind: 'guest.run', title, command, ownsTerminal }];
    }
    case 'service':
    case 'qemu-console':
      return [];
  }
}

function leaveOf(vm: string, ready: StepId, work: readonly Step[]): Step {
  return {
    id: `${vm}/leave`,
    kind: 'guest.leave',
    vm,
    title: 'Log out',
    needs: [],
    after: work.map((step) => step.id),
    undoes: ready,
  };
}

function titleOf(what: string, command: string): string {
  const [line = ''] = command.trim().split('\n');
  const shown = line.slice(0, 60).trimEnd();
  return `${what} ${shown}${shown.length < command.trim().length ? ' …' : ''}`;
}

/** Whether the step is what the user asked the VM for; its exit code is theirs. */
export function isUserStep(step: Step): boolean {
  return step.kind === 'guest.run' || step.kind === 'guest.console' || step.kind === 'machine.console';
}

/** Where no VM has anything to run, the services themselves are what the user wants. */
function holdFor(specs: readonly VmSpec[]): Step[] {
  if (!specs.every(({ connection }) => connection.kind === 'service')) return [];
  const vms = specs.map((spec) => spec.name);
  const needs = specs.flatMap(readinessOf);
  return [
    { id: 'hold', kind: 'machine.hold', title: 'Services run until you interrupt', needs, after: [], vms },
  ];
}

/** A service that stays until it is told to end; it is what it is for. */
function ownHold(spec: VmSpec): HoldServices[] {
  const { name: vm, connection } = spec;
  if (connection.kind === 'ssh-command') return [];
  const [needs, title] = [readinessOf(spec), 'Run until it is told to end'];
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
  work: ReadonlyMap<string, readonly Step[]>,
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
function userStepsOf(work: ReadonlyMap<string, readonly Step[]>, dependents: readonly string[]): StepId[] {
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
