import type { ImageNeed } from '../config/vm-spec.ts';
import type { CloudImage } from '../config/cloud-image.ts';
import type { Plan, ResolveImage, RetrieveImage } from './step.ts';
import { withoutPasswords } from '../options/password.ts';
import { pathFact } from './facts.ts';
import { independent } from './graph.ts';
import { newStep } from './new-step.ts';
import type { Fact } from './step-base.ts';

/** Step that pins the build of an image of the catalogue: the newest one, or with `update: false` one of the backend. */
export function resolution(
  { name, architecture, lockFile, allowUnverified }: CloudImage,
  backend: string,
  update: boolean,
): ResolveImage {
  return newStep({
    id: `resolve/${name}`,
    kind: 'image.resolve',
    phase: 'prepare',
    title: `${update ? 'Update' : 'Resolve'} image ${name}`,
    detail: [pathFact('pinned in', lockFile)],
    name,
    architecture,
    lockFile,
    backend,
    update,
    allowUnverified: allowUnverified === true,
  });
}

/** Steps that pin the builds of images of the catalogue, as far as none is pinned. */
export function resolutions(images: readonly ImageNeed[]): ResolveImage[] {
  const steps = images.flatMap(({ cloud, backend }) =>
    cloud === undefined || cloud.pin !== undefined ? [] : [resolution(cloud, backend, false)],
  );
  return [...new Map(steps.map((step) => [step.id, step])).values()];
}

/** The steps of a plan that pin builds for its others: until they are done, the names of its images are not known. */
export function resolutionPlan({ steps }: Plan): Plan | undefined {
  const resolving = steps.filter((step) => step.kind === 'image.resolve' && !step.update);
  return resolving.length === 0 ? undefined : independent(resolving);
}

/** Plan that moves the pins of images of the catalogue to the newest builds. */
export function planUpdate(images: readonly ImageNeed[]): Plan {
  const steps = images.flatMap(({ cloud, backend }) => (cloud ? [resolution(cloud, backend, true)] : []));
  return independent([...new Map(steps.map((step) => [step.id, step])).values()]);
}

/** Step that retrieves an image into its backend. */
export function retrieval(id: string, image: ImageNeed): RetrieveImage {
  const title = `${verbFor(image)} image ${image.name}`;
  return newStep({
    id,
    kind: 'image.retrieve',
    phase: 'prepare',
    title,
    detail: [sourceOf(image)],
    needs: resolutions([image]).map((step) => step.id),
    programs: ['qemu-img'],
    writesTo: { directory: image.backend, option: 'image-backend' },
    image,
  });
}

function verbFor({ source }: ImageNeed): string {
  if (source === undefined) return 'Find';
  return source.protocol === 'file' ? 'Import' : 'Download';
}

function sourceOf({ source, cloud }: ImageNeed): Fact | undefined {
  if (source === undefined) return 'must be in the backend';
  if (cloud !== undefined) return cloud.pin?.url ?? 'the newest build';
  const { protocol, location } = source;
  if (location.startsWith('/')) return pathFact(`${protocol}:`, location);
  return `${protocol}: ${withoutPasswords(location)}`;
}

/** Plan that retrieves images in parallel. */
export function planPull(images: readonly ImageNeed[]): Plan {
  return independent([
    ...resolutions(images),
    ...images.map((image) => retrieval(`image/${image.name}`, image)),
  ]);
}

/** Plan that removes images from a backend. */
export function planRemove(names: readonly string[], backend: string, vmstore: string, force: boolean): Plan {
  const kind = 'image.remove';
  const steps = names.map((image) =>
    newStep({
      id: `remove/${image}`,
      kind,
      phase: 'stop',
      title: `Remove image ${image}`,
      detail: [backend],
      image,
      backend,
      vmstore,
      force,
    }),
  );
  return independent(steps);
}
