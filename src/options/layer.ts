import type { Where } from '../problem.ts';
import type { OptionName, OptionValues } from './table.ts';

/** What one source said of one VM: some options, where each was said, and what relative paths are relative to. */
export interface Layer {
  readonly values: Partial<OptionValues>;
  readonly where: (name: OptionName, index?: number) => Where;
  readonly base: string;
}
