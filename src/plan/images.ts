import type { ImageNeed } from '../config/vm-spec.ts';
import type { Plan, RetrieveImage } from './step.ts';
import { withoutPasswords } from '../options/password.ts';
import { pathFact } from './facts.ts';
import { independent } from './graph.ts';
import { newStep } from './new-step.ts';
import type { Fact } from './step-base.ts';

/** Step that retrieves an image into its backend. */
export function retrieval(id: string, image: ImageNeed): RetrieveImage {
  const title = `${verbFor(image)} image ${image.name}`;
  return newStep({
    id,
    kind: 'image.retrieve',
    phase: 'prepare',
    title,
    detail: [sourceOf(image)],
    programs: ['qemu-img'],
    writesTo: { directory: image.backend, option: 'image-backend' },
    image,
  });
}

function verbFor({ source }: ImageNeed): string {
  if (source === undefined) return 'Find';
  return source.protocol === 'file' ? 'Import' : 'Download';
}

function sourceOf({ source }: ImageNeed): Fact | undefined {
  if (source === undefined) return 'must be in the backend';
  const { protocol, location } = source;
  if (location.startsWith('/')) return pathFact(`${protocol}:`, location);
  return `${protocol}: ${withoutPasswords(location)}`;
}

/** Plan that retrieves images in parallel. */
export function planPull(images: readonly ImageNeed[]): Plan {
  return independent(images.map((image) => retrieval(`image/${image.name}`, image)));
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
