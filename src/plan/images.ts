import type { ImageNeed } from '../config/vm-spec.ts';
import type { Plan, RetrieveImage, Step } from './step.ts';

/** The step that has an image in its backend. */
export function retrieval(id: string, image: ImageNeed): RetrieveImage {
  return { id, kind: 'image.retrieve', title: `Image ${image.name}`, needs: [], after: [], image };
}

/** Several images retrieved at the same time. */
export function planPull(images: readonly ImageNeed[]): Plan {
  return plan(images.map((image) => retrieval(`image/${image.name}`, image)));
}

/** Images taken out of a backend. */
export function planRemove(names: readonly string[], backend: string, vmstore: string, force: boolean): Plan {
  const steps = names.map((image) => ({
    id: `remove/${image}`,
    kind: 'image.remove' as const,
    title: `Remove image ${image}`,
    needs: [],
    after: [],
    image,
    backend,
    vmstore,
    force,
  }));
  return plan(steps);
}

/** Images have nothing to do with each other. */
function plan(steps: readonly Step[]): Plan {
  return { steps, foreground: [], exitFrom: [], keepGoing: true };
}
