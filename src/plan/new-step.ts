import type { Step, StepKind, StepOf } from './step.ts';

type Edges = 'needs' | 'after';

/** Fields of a step, of which those that name other steps may be omitted. */
type StepFields<K extends StepKind> = Omit<StepOf<K>, Edges> & Partial<Pick<StepOf<K>, Edges>>;

/** Creates a step; it waits for no other step unless the fields name one. */
export function newStep<K extends StepKind>(fields: { kind: K } & StepFields<K>): StepOf<K> {
  const { needs = [], after = [] } = fields;
  return { ...fields, needs, after } as unknown as StepOf<K>;
}

/** The user's command, for a step that runs it. */
export function commandOf(step: Step): string | undefined {
  return step.phase === 'user' && 'command' in step ? step.command : undefined;
}
