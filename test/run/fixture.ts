import type { Executors, OptionalResult, StepContext } from '../../src/plan/executor.ts';
import type { Plan, Step, StepId } from '../../src/plan/step.ts';
import { runPlan, type RunResult, type RunSignals, type View } from '../../src/run/runner.ts';

/** Behaviour of one step; its signal is in the context, as for any executor. */
export type Part = (context: StepContext, stage: Stage) => Promise<OptionalResult>;

/** Handles of the steps on the run. */
export interface Stage {
  /** Events so far: `start ID`, `end ID`. */
  readonly log: readonly string[];
  readonly interrupt: (exitCode?: number) => void;
}

export interface Performance extends RunResult {
  readonly log: readonly string[];
}

type Shuffle = <T>(items: readonly T[]) => T[];

interface StepOptions {
  readonly needs?: StepId[];
  readonly after?: StepId[];
  readonly undoes?: StepId;
  readonly always?: true;
}

/** A step of some kind; the runner does not care which. */
export function step(id: StepId, { needs = [], after = [], ...more }: StepOptions = {}): Step {
  return {
    id,
    vm: 'vm',
    title: id,
    detail: [],
    programs: [],
    needs,
    after,
    ...more,
    kind: 'machine.console',
    phase: 'prepare',
  };
}

export function planOf(steps: readonly Step[], more: Partial<Plan> = {}): Plan {
  return { steps, foreground: [], exitFrom: steps.map(({ id }) => id), ...more };
}

/** Runs a plan in memory; steps without a part are done at once. The view begins them in a shuffled order. */
export async function play(
  plan: Plan,
  parts: Readonly<Record<StepId, Part>> = {},
  shuffle: Shuffle = (items) => items.toReversed(),
): Promise<Performance> {
  const log: string[] = [];
  const signals = signalsInHand();
  const stage: Stage = { log, interrupt: signals.interrupt };
  const perform = async (played: Step, context: StepContext): Promise<OptionalResult> => {
    log.push(`start ${played.id}`);
    try {
      return await parts[played.id]?.(context, stage);
    } finally {
      log.push(`end ${played.id}`);
    }
  };
  const result = await runPlan(plan, executorsOf(perform), signals, shuffled(shuffle));
  return { ...result, log };
}

/** A view that shows nothing and begins the steps of an act all at once, in its own order. */
function shuffled(shuffle: Shuffle): View {
  const listener = { begun: nothing, progress: nothing, note: nothing, warn: nothing };
  return async (act, perform) => {
    await Promise.all(shuffle(act.steps).map((one) => perform(one, listener)));
  };
}

function executorsOf(perform: (step: Step, context: StepContext) => Promise<OptionalResult>): Executors {
  return new Proxy({}, { get: () => perform }) as Executors;
}

function signalsInHand(): RunSignals & { interrupt: (code?: number) => void } {
  const abort = new AbortController();
  const kill = new AbortController();
  let exitCode: number | undefined;
  return {
    abort: abort.signal,
    kill: kill.signal,
    exitCode: () => exitCode,
    // as main.ts does it: the first ends in order, the second at once
    interrupt: (code = 130) => {
      exitCode ??= code;
      if (abort.signal.aborted) kill.abort();
      abort.abort();
    },
  };
}

function nothing(): void {
  // nobody watches
}

/** Puts things in an order that numbers give, one for each. */
export function shuffleBy(order: Iterator<number>): <T>(items: readonly T[]) => T[] {
  return (items) =>
    items
      .map((item) => ({ item, key: Number(order.next().value) }))
      .sort((a, b) => a.key - b.key)
      .map(({ item }) => item);
}
