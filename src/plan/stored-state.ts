import { quotedForPeople } from '../shell-quote.ts';
import type { ImageNeed, StateSpec, VmSpec } from '../config/vm-spec.ts';
import { offlineCopies } from './copies.ts';
import { ordered } from './graph.ts';
import { resolutions, retrieval } from './images.ts';
import type { CreateVm, LockVm, Plan, ResolveImage, Step, StepId } from './step.ts';
import { vmTitle } from './facts.ts';
import { newStep } from './new-step.ts';

/** Step ID of an image; VMs with different backends can have different images of the same name. */
function imageStepId({ name, backend }: ImageNeed, specs: readonly VmSpec[]): StepId {
  const namesakes = specs.flatMap((spec) => spec.images.filter((image) => image.name === name));
  const alone = namesakes.every((image) => image.backend === backend);
  return alone ? `image/${name}` : `image/${name}@${backend}`;
}

/** Steps that pin the builds of images that VMs need. */
export function resolutionsFor(specs: readonly VmSpec[]): ResolveImage[] {
  return resolutions(specs.filter(needsImages).flatMap((spec) => spec.images));
}

/** One retrieval for each image that VMs need; existing VMs have their disks. */
export function retrievals(specs: readonly VmSpec[]): Step[] {
  const all = specs.filter(needsImages).flatMap((spec) => spec.images);
  const needs = new Map(all.map((image) => [imageStepId(image, specs), image] as const));
  return [...resolutionsFor(specs), ...[...needs].map(([id, image]) => retrieval(id, image))];
}

function needsImages({ state }: VmSpec): boolean {
  return state === undefined || state.creation !== undefined;
}

function imageSteps(spec: VmSpec, specs: readonly VmSpec[]): StepId[] {
  return needsImages(spec) ? [...new Set(spec.images.map((image) => imageStepId(image, specs)))] : [];
}

/** Plan of `create IMAGE`: creates a VM in the store without starting it. */
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
    newStep({
      id: `${vm}/create`,
      kind: 'vm.create',
      phase: 'prepare',
      vm,
      title: vmTitle('Create', state.name),
      detail: [images.map((image) => image.name).join(' + '), `in ${state.vmstore}`],
      programs: ['qemu-img'],
      writesTo: { directory: state.vmstore, option: 'vmstore' },
      needs: imageSteps(spec, specs),
      name: state.name,
      vmstore: state.vmstore,
      images,
      ...state.creation,
      ...how,
    }),
  ];
}

/** Steps that a stored VM needs before its boot, and those that release its state afterwards. */
interface StateSteps {
  readonly take: readonly Step[];
  readonly giveBack: readonly Step[];
  /** Steps that its boot needs. */
  readonly ready: readonly StepId[];
}

export function stateOf(spec: VmSpec, specs: readonly VmSpec[]): StateSteps {
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
    // without a pinned build, any is as good
    ...(isPinned(images[0]) ? { image: images[0].name } : {}),
    needs: create.map((step) => step.id),
    until: [stop, ...[...before, ...after].map((step) => step.id)],
  });
  return {
    take: [...create, lock, ...before],
    giveBack: [...after, unlock, ...(state.temporary ? [removalOf(vm, state)] : [])],
    ready: [lock.id, ...before.map((step) => step.id)],
  };
}

function isPinned({ cloud }: ImageNeed): boolean {
  return cloud === undefined || cloud.pin !== undefined;
}

/** Step that removes a temporary VM from the store at the end. */
function removalOf(vm: string, { name, vmstore }: StateSpec): Step {
  return newStep({
    id: `${vm}/remove`,
    kind: 'vm.remove',
    phase: 'stop',
    vm,
    title: 'Remove temporary state',
    detail: [vmstore],
    after: [`${vm}/unlock`],
    undoes: `${vm}/create`,
    name,
    vmstore,
  });
}

/** Steps that lock a stored VM and unlock it after other steps. */
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
    newStep({
      id,
      kind: 'vm.lock',
      phase: 'prepare',
      vm,
      title: vmTitle('Lock', vm),
      detail: [name === vm ? vmstore : `${quotedForPeople(name)} in ${vmstore}`],
      needs,
      name,
      vmstore,
      purpose,
      ...(image === undefined ? {} : { image }),
    }),
    newStep({
      id: `${vm}/unlock`,
      kind: 'vm.unlock',
      phase: 'stop',
      vm,
      title: vmTitle('Unlock', vm),
      after: until,
      undoes: id,
    }),
  ];
}
