import { withImpliedSource } from '../options/values/image-spec.ts';
import type { Result } from '../problem.ts';
import { ok } from '../problem.ts';
import type { WantedImage } from './vm-spec.ts';

/** Finds what an image spec refers to: an image of a backend, a source that its name implies, or one of the catalogue. */
export type ImageLookup = (image: WantedImage, backend: string) => Result<WantedImage>;

/** Lookup that knows no catalogue. */
export const impliedSource: ImageLookup = (image) => ok({ ...image, ...withImpliedSource(image) });
