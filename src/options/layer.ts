import type { Where } from '../problem.ts';
import type { OptionName, OptionValues } from './table.ts';

/** Options of one VM from one source, the place where each was set, and the base of relative paths. */
export interface Layer {
  readonly values: Partial<OptionValues>;
  readonly where: (name: OptionName) => Where;
  readonly base: string;
}
