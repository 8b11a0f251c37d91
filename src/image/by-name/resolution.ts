import type { ImagePin } from '../../config/cloud-image.ts';
import { splitRequest } from '../../config/cloud-image.ts';
import { pinOf, readLockFile } from '../../config/image-lock.ts';
import type { Executor, StepContext } from '../../plan/executor.ts';
import type { ResolveImage } from '../../plan/step.ts';
import { valueOrThrow } from '../../problem.ts';
import { pinOfKept } from './lookup.ts';
import { recordPin } from './pins.ts';
import { catalogImage } from '../vendor/catalog-image.ts';
import { resolveVendorImage } from '../vendor/resolve.ts';

/** Pins the build of an image of the catalogue: one that the backend holds, or the newest one of its vendor. */
export const resolveImage: Executor<'image.resolve'> = async (step, context) => {
  const before = pinOf(valueOrThrow(readLockFile(step.lockFile)), step);
  // another process may have pinned it
  if (before !== undefined && !step.update) return {};
  const pin = (step.update ? undefined : keptPin(step)) ?? (await newestPin(step, context));
  await recordPin(step, pin, context);
  return step.update ? { output: changeText(step, before, pin) } : {};
};

function keptPin({ name, architecture, backend }: ResolveImage): ImagePin | undefined {
  return pinOfKept({ ...splitRequest(name), architecture }, backend);
}

async function newestPin(step: ResolveImage, context: StepContext): Promise<ImagePin> {
  const image = await resolveVendorImage(catalogImage(step), step, context);
  const { build, url, algorithm, digest } = image;
  return { build, url, ...(digest === undefined ? {} : { digest: `${algorithm}:${digest}` }) };
}

function changeText({ name }: ResolveImage, before: ImagePin | undefined, { build }: ImagePin): string {
  if (before === undefined) return `${name}: ${build} (new)`;
  return before.build === build ? `${name}: ${build} (unchanged)` : `${name}: ${before.build} → ${build}`;
}
