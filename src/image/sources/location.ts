import type { ImageNeed } from '../../config/vm-spec.ts';
import type { StepContext } from '../../plan/executor.ts';
import type { Expected } from '../sums.ts';
import type { HttpTimes } from './http-times.ts';

/** Where the bytes of an image are, `http(s)://…` or an absolute path, and their expected checksums. */
export interface ImageLocation {
  readonly location: string;
  readonly expected: readonly Expected[];
}

/** Finds the bytes of an image from what its image spec says after a protocol. */
export type Locate = (
  source: string,
  times: HttpTimes,
  context: StepContext,
  image: Pick<ImageNeed, 'cloud'>,
) => Promise<ImageLocation>;
