import { partsOfKeptName, splitRequest } from '../../config/cloud-image.ts';
import type { ImageNeed } from '../../config/vm-spec.ts';
import { findTransientfile } from '../../config/transientfile.ts';
import { didYouMean } from '../../options/issues.ts';
import { planUpdate } from '../../plan/images.ts';
import type { Problem, Result } from '../../problem.ts';
import { all, failed, ok } from '../../problem.ts';
import { type CommandDef, type Invocation, PLAN_SWITCH } from '../command.ts';
import { UNVERIFIED_SWITCH, lookupFor } from '../image-names.ts';
import { FILE_SWITCH, loadProject, pathOf } from '../project-file.ts';
import { storesIn } from '../typed-layers.ts';

/** `image update [NAME…]`: moves the pinned builds of a project, or without one those of the backend. */
export const imageUpdate: CommandDef = {
  name: 'image update',
  operands: '[name...]',
  completes: ['available'],
  scope: 'everywhere',
  help: 'pin the newest builds of images by name: those of the Transientfile, or those in the backend',
  switches: [FILE_SWITCH, UNVERIFIED_SWITCH, PLAN_SWITCH],
  plan: async (invocation) => {
    const hasFile = findTransientfile(
      invocation.workingDirectory,
      invocation.switches['file'] as string | undefined,
    ).ok;
    const images = await (hasFile ? projectImages(invocation) : backendImages(invocation));
    return images.ok ? ok({ plan: planUpdate(images.value) }) : images;
  },
};

async function projectImages(invocation: Invocation): Promise<Result<ImageNeed[]>> {
  const path = pathOf(invocation);
  if (!path.ok) return path;
  const loaded = await loadProject({ ...invocation, operands: [] }, path.value, false);
  if (!loaded.ok) return loaded;
  const images = loaded.value.specs.flatMap((spec) => spec.images).filter(isMovable);
  const { operands } = invocation;
  if (operands.length === 0) return ok(images);
  const wanted = await lookedUp(operands, invocation);
  if (!wanted.ok) return wanted;
  const named = wanted.value.map(({ cloud, name }) => cloud?.name ?? name);
  const present = images.flatMap(namesOf);
  const problems = named.filter((name) => !present.includes(name)).map((name) => notUsed(name, present));
  if (problems.length > 0) return failed(...problems);
  return ok(images.filter((image) => namesOf(image).some((name) => named.includes(name))));
}

/** Names that an image of a project is called by: in the catalogue, and in the file. */
function namesOf({ name, cloud }: ImageNeed): string[] {
  return [...new Set([cloud?.name ?? name, partsOfKeptName(name)?.name ?? name])];
}

async function backendImages(invocation: Invocation): Promise<Result<ImageNeed[]>> {
  const { operands } = invocation;
  if (operands.length > 0) {
    const wanted = await lookedUp(operands, invocation);
    if (!wanted.ok) return wanted;
    const others = wanted.value.filter((image) => !isMovable(image)).map(({ name }) => notMovable(name));
    return others.length > 0 ? failed(...others) : wanted;
  }
  const { pinnedNames } = await import('../../image/by-name/pin-names.ts');
  const names = pinnedNames(storesIn(invocation).backend);
  return names.ok ? lookedUp(names.value, invocation) : names;
}

async function lookedUp(names: readonly string[], invocation: Invocation): Promise<Result<ImageNeed[]>> {
  const { backend } = storesIn(invocation);
  const images = names.map((name) => ({ name }));
  const lookup = await lookupFor(images, backend, invocation);
  const found = all(images.map((image) => lookup(image, backend)));
  return found.ok ? ok(found.value.map((image) => ({ ...image, backend }))) : found;
}

/** Whether another build of an image can be pinned: it comes from the catalogue, and no build is requested. */
function isMovable({ cloud }: Pick<ImageNeed, 'cloud'>): boolean {
  return cloud !== undefined && splitRequest(cloud.name).build === undefined;
}

function notUsed(name: string, present: readonly string[]): Problem {
  return {
    reason: 'unknown-reference',
    message: `the Transientfile uses no image "${name}" whose build can be updated`,
    where: { kind: 'flag', flag: 'NAME', value: name },
    hint: didYouMean(name, present) ?? `it uses: ${[...new Set(present)].join(', ') || 'none'}`,
  };
}

function notMovable(name: string): Problem {
  return {
    reason: 'unknown-reference',
    message: `image "${name}" does not come from the catalogue, or names its build`,
    where: { kind: 'flag', flag: 'NAME', value: name },
    hint: '"transient image search" lists the images that have builds',
  };
}
