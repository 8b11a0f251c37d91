import type { Plan, Step, StepId } from './step.ts';

/** Plan of steps of which a failed one affects only those that need it. */
export function independent(steps: readonly Step[]): Plan {
  return { steps, foreground: [], exitFrom: [], keepGoing: true };
}

/** Part of a plan during which the terminal has one owner: our view, or a step. */
export interface Act {
  readonly mode: 'view' | 'bare';
  readonly steps: readonly Step[];
}

/** VMs of the steps, in order. */
export function vmsOf(steps: readonly Step[]): string[] {
  return [...new Set(steps.flatMap(({ vm }) => vm ?? []))];
}

/** All steps that a step waits for before it starts. */
export function waitsFor(step: Step): readonly StepId[] {
  const begun = step.undoes === undefined ? [] : [step.undoes];
  return [...new Set([...step.needs, ...step.after, ...begun])];
}

/**
 * Sorts steps topologically, keeping the given order otherwise.
 * An edge to an unknown step or a cycle is a bug and throws.
 */
export function ordered(steps: readonly Step[]): Step[] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  if (byId.size !== steps.length) throw new Error('two steps of a plan have the same id');
  const placed = new Set<StepId>();
  const result: Step[] = [];
  const place = (step: Step, trail: readonly StepId[]): void => {
    if (placed.has(step.id)) return;
    if (trail.includes(step.id))
      throw new Error(`steps wait for each other: ${[...trail, step.id].join(' → ')}`);
    for (const id of waitsFor(step)) {
      const earlier = byId.get(id);
      if (earlier === undefined) throw new Error(`step ${step.id} waits for ${id}, which is not in the plan`);
      place(earlier, [...trail, step.id]);
    }
    placed.add(step.id);
    result.push(step);
  };
  for (const step of steps) place(step, []);
  return result;
}

/** Cuts a plan into what comes before the foreground steps, what runs beside them, and what comes after them. */
export function acts(plan: Plan): Act[] {
  if (plan.foreground.length === 0) return [{ mode: 'view', steps: plan.steps }];
  const owners = new Set(plan.foreground);
  const fromForeground = descendants(plan, owners);
  const last = new Set(
    plan.foreground.filter((id) => !plan.foreground.some((other) => isBelow(plan, other, id))),
  );
  const fromLast = descendants(plan, last);
  const beside = besideForeground(plan, owners);
  const before = plan.steps.filter(({ id }) => !owners.has(id) && !fromForeground.has(id) && !beside.has(id));
  const after = plan.steps.filter(({ id }) => fromLast.has(id));
  const during = plan.steps.filter((step) => !before.includes(step) && !after.includes(step));
  const cut: Act[] = [
    { mode: 'view', steps: before },
    { mode: 'bare', steps: during },
    { mode: 'view', steps: after },
  ];
  return cut.filter((act) => act.steps.length > 0);
}

/** Commands of other VMs, and what follows them: they need not end before a console opens, unless it waits for them. */
function besideForeground(plan: Plan, owners: ReadonlySet<StepId>): Set<StepId> {
  const commands = new Set(plan.exitFrom.filter((id) => !owners.has(id)));
  const booted = ancestorsOf(plan, owners);
  // a machine that boots before the console is reached before it, too: until then it keeps others from booting
  const reached = (plan.starts?.spans ?? []).flatMap(({ from, to }) => (booted.has(from) ? [to] : []));
  const ancestors = new Set([...booted, ...reached, ...ancestorsOf(plan, new Set(reached))]);
  const beside = new Set([...commands, ...descendants(plan, commands)]);
  return new Set([...beside].filter((id) => !ancestors.has(id)));
}

/** The steps for which any of the given ones waits, directly or through others. */
function ancestorsOf(plan: Plan, descendantIds: ReadonlySet<StepId>): Set<StepId> {
  const found = new Set<StepId>();
  for (const step of [...plan.steps].reverse()) {
    if (descendantIds.has(step.id) || found.has(step.id)) waitsFor(step).forEach((id) => found.add(id));
  }
  return found;
}

function isBelow(plan: Plan, id: StepId, ancestor: StepId): boolean {
  return id !== ancestor && descendants(plan, new Set([ancestor])).has(id);
}

/** The steps that wait, directly or through others, for any of the given ones; these themselves left out. */
function descendants(plan: Plan, ancestorIds: ReadonlySet<StepId>): Set<StepId> {
  const found = new Set<StepId>();
  for (const step of plan.steps) {
    if (waitsFor(step).some((id) => ancestorIds.has(id) || found.has(id))) found.add(step.id);
  }
  return found;
}
