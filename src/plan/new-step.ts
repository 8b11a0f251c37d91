import type { Fact } from './step-base.ts';
import type { Step, StepKind, StepOf } from './step.ts';

type Lists = 'needs' | 'after' | 'programs' | 'detail';

/** Fields of a step; lists that are empty may be omitted, and facts that are empty or undefined are left out. */
export type StepFields<K extends StepKind> = Omit<StepOf<K>, Lists> &
  Partial<Pick<StepOf<K>, 'needs' | 'after' | 'programs'>> & {
    readonly detail?: readonly (Fact | undefined)[];
  };

/** Creates a step. */
export function newStep<K extends StepKind>(fields: { kind: K } & StepFields<K>): StepOf<K> {
  const { needs = [], after = [], programs = [], detail = [] } = fields;
  return { ...fields, needs, after, programs, detail: detail.filter(Boolean) } as unknown as StepOf<K>;
}

/** The user's command, for a step that runs it. */
export function commandOf(step: Step): string | undefined {
  return step.phase === 'user' && 'command' in step ? step.command : undefined;
}
