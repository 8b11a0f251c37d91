import { splitRequest } from '../../config/cloud-image.ts';
import type { ImageNeed } from '../../config/vm-spec.ts';
import type { StepContext } from '../../plan/executor.ts';
import { TransientError } from '../../problem.ts';
import { HttpStatus } from '../sources/download-faults.ts';
import { ChecksumMismatch } from '../sums.ts';
import { lockFileIn } from '../by-name/lookup.ts';
import { catalogImage } from './catalog-image.ts';
import { resolveVendorImage } from './resolve.ts';

/**
 * Explains a failed download of a pinned build: vendors remove builds after some months, and some publish the newest one
 * at a fixed URL. Returns the error itself if the vendor still has that build.
 */
export async function explainedByVendor(
  error: unknown,
  { cloud, backend }: ImageNeed,
  context: StepContext,
): Promise<unknown> {
  if (cloud?.pin === undefined || !mayHaveVanished(error)) return error;
  const { name } = splitRequest(cloud.name);
  const options = { allowUnverified: cloud.allowUnverified === true };
  const image = catalogImage({ ...cloud, name });
  const newest = await resolveVendorImage(image, options, context).catch(() => undefined);
  if (newest === undefined || newest.build === cloud.pin.build) return error;
  const isOfProject = cloud.lockFile !== lockFileIn(backend);
  const update = `transient image update ${name}`;
  return new TransientError(
    {
      reason: 'image',
      message: `image '${cloud.name}' is pinned to build ${cloud.pin.build}, which its vendor no longer offers; the newest is ${newest.build}`,
      hint:
        cloud.name === name
          ? `move the pin: ${update}${isOfProject ? `, and commit ${cloud.lockFile}` : ''}`
          : `use ${name}@${newest.build}, or ${name} for the newest build`,
    },
    { cause: error },
  );
}

function mayHaveVanished(error: unknown): boolean {
  if (error instanceof ChecksumMismatch) return true;
  const cause = error instanceof TransientError ? error.cause : undefined;
  return cause instanceof HttpStatus && [403, 404, 410].includes(cause.status);
}
