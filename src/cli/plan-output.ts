import type { CommandPlan } from './command.ts';
import type { Output } from './output.ts';
import type { PlanForm } from './plan-view.ts';

/** Prints a plan as a result; returns exit code 0. */
export async function printPlan(
  { plan, place }: CommandPlan,
  output: Output,
  form: PlanForm = 'tree',
): Promise<number> {
  const { planText } = await import('./plan-view.ts');
  return output.print(planText(plan, form, place));
}
