import { resolutionPlan } from '../plan/images.ts';
import type { Plan } from '../plan/step.ts';
import type { Result } from '../problem.ts';
import { ok } from '../problem.ts';
import type { RunFileOptions } from './command.ts';
import type { Output } from './output.ts';

/** A plan whose images all have a pinned build, or the exit code if a build could not be pinned. */
export type Pinned<T> = { readonly planned: T } | { readonly exitCode: number };

/** Pins the builds of a plan's images, if necessary, and plans again: only then are the names of the images known. */
export async function pinnedPlan<T extends { readonly plan: Plan; readonly files?: RunFileOptions }>(
  planned: T,
  replan: () => Promise<Result<T>> | Result<T>,
  output: Output,
): Promise<Result<Pinned<T>>> {
  const resolving = resolutionPlan(planned.plan);
  if (resolving === undefined) return ok({ planned });
  const { perform } = await import('./perform.ts');
  const { files } = planned;
  const exitCode = await perform({ plan: resolving, ...(files ? { files } : {}) }, output);
  if (exitCode !== 0) return ok({ exitCode });
  const again = await replan();
  if (!again.ok) return again;
  if (resolutionPlan(again.value.plan) !== undefined) throw new Error('a build is still not pinned');
  return ok({ planned: again.value });
}
