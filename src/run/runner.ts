import type { Executors, StepContext, StepResult } from '../plan/executor.ts';
import { acts, waitsFor, type Act } from '../plan/graph.ts';
import type { Plan, Step, StepId } from '../plan/step.ts';
import { linked, patience, type Scope } from '../host/deadline.ts';
import { trace } from '../host/trace.ts';
import { endingTime } from './ending-time.ts';
import { BootLimit } from './boot-limit.ts';
import type { Problem } from '../problem.ts';
import { problemOf } from '../problem.ts';

/** How one step came out. */
export type Outcome =
  | { readonly kind: 'done'; readonly exitCode?: number }
  /** The machine ended by itself and in order: nothing failed, and what needs this step has nothing to do. */
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly problem: Problem }
  /** `cause` is the step that it needed, directly or through others, and that was not done. */
  | { readonly kind: 'skipped'; readonly cause?: StepId }
  | { readonly kind: 'interrupted' };

export interface RunResult {
  readonly outcomes: ReadonlyMap<StepId, Outcome>;
  /** The failures themselves, not what was skipped because of them, in the order in which they happened. */
  readonly problems: readonly Problem[];
  /** Lines for stdout: what the user asked to be told. */
  readonly said: readonly string[];
  readonly exitCode: number;
}

/** The two ways in which a run is told to end. */
export interface RunSignals {
  /** End in order. */
  readonly abort: AbortSignal;
  /** End at once: aborted by a second signal. */
  readonly kill: AbortSignal;
  /** The exit code that the signal asks for; undefined while there was none. */
  readonly exitCode: () => number | undefined;
  /** How a person sends the second one, as the beginning of a sentence about what it does. */
  readonly again?: string;
}

/** What a view hears of a step while it runs. */
export type StepListener = Pick<StepContext, 'progress' | 'note' | 'warn' | 'heard'> & {
  /** The step waits no longer and starts. */
  readonly begun: () => void;
};

/** Shows one act: calls `perform` for each step, all at once or in groups, and returns when all have settled. */
export type View = (
  act: Act,
  perform: (step: Step, listener: StepListener) => Promise<Outcome>,
) => Promise<void>;

/** Runs a plan; see `docs/architecture.md` for the four rules. */
export async function runPlan(
  plan: Plan,
  executors: Executors,
  signals: RunSignals,
  view: View,
): Promise<RunResult> {
  using run = new Run(plan, executors, signals);
  for (const act of acts(plan)) {
    const shown = run.mayDo(act) ? view : unseen;
    await shown(act, (step, listener) => run.perform(step, listener));
  }
  return run.result();
}

/** For an act of which, after a failure, nothing is left to do. */
const unseen: View = async ({ steps }, perform) => {
  const listener = { begun: nothing, progress: nothing, note: nothing, warn: nothing };
  await Promise.all(steps.map((step) => perform(step, listener)));
};

function nothing(): void {
  // nobody looks
}

/** What became of a step that others needed, in words that follow its title. */
export function fateOf(outcome: Outcome | undefined): string {
  if (outcome?.kind === 'done') return `ended with exit code ${outcome.exitCode ?? 0}`;
  if (outcome?.kind === 'ended') return 'did not come to its end: the machine was shut down';
  return outcome?.kind === 'interrupted' ? 'was interrupted' : 'failed';
}

class Run implements Disposable {
  readonly #plan: Plan;
  readonly #executors: Executors;
  readonly #signals: RunSignals;
  readonly #outcomes = new Map<StepId, Outcome>();
  readonly #settled = new Map<StepId, PromiseWithSettle>();
  readonly #begun = new Set<StepId>();
  readonly #problems = new Set<Problem>();
  readonly #placed = new Map<Problem, Problem>();
  readonly #said: string[] = [];
  readonly #starts: BootLimit;
  /** Aborted by the first failure of a step too, beside the signals that come from outside. */
  readonly #abort: Scope;
  /** Aborted too when the run does not come to its end in time after the first signal. */
  readonly #kill: Scope;
  /** Steps that run now, by what is told of them. */
  readonly #running = new Map<Step, StepListener>();
  readonly #onSignal = (): void => this.#beginEnding();
  #lastCall: NodeJS.Timeout | undefined;
  #isAnnounced = false;
  #firstBadExit: number | undefined;

  constructor(plan: Plan, executors: Executors, signals: RunSignals) {
    this.#plan = plan;
    this.#executors = executors;
    this.#signals = signals;
    this.#abort = linked(signals.abort);
    this.#kill = linked(signals.kill);
    if (signals.abort.aborted) this.#beginEnding();
    else signals.abort.addEventListener('abort', this.#onSignal, { once: true });
    this.#starts = new BootLimit(plan.starts);
    for (const step of plan.steps) this.#settled.set(step.id, settleable());
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#lastCall);
    this.#signals.abort.removeEventListener('abort', this.#onSignal);
    this.#abort[Symbol.dispose]();
    this.#kill[Symbol.dispose]();
  }

  /** Whether any step of an act can still start: after an abort only what gives something back, or outlasts it. */
  mayDo({ steps }: Act): boolean {
    return !this.#abort.signal.aborted || steps.some((step) => this.#mayOutlast(step));
  }

  /** Waits until the step may start, runs or skips it, and settles it. Never rejects. */
  async perform(step: Step, listener: StepListener): Promise<Outcome> {
    await Promise.all(waitsFor(step).flatMap((id) => this.#settled.get(id)?.promise ?? []));
    await this.#starts.enter(step.id, (limit) =>
      listener.note(limit === 1 ? 'One VM boots at a time (--jobs)' : `${limit} VMs boot at a time (--jobs)`),
    );
    const outcome = this.#mayStart(step) ? await this.#execute(step, listener) : this.#skip(step, listener);
    this.#starts.leave(step.id, outcome.kind === 'done');
    this.#outcomes.set(step.id, outcome);
    this.#take(step, outcome);
    this.#settled.get(step.id)?.settle();
    return outcome;
  }

  #mayOutlast({ undoes, always, needs }: Step): boolean {
    if (undoes !== undefined) return this.#begun.has(undoes);
    return always === true && needs.every((id) => !this.#outcomes.has(id) || this.#isDone(id));
  }

  #mayStart(step: Step): boolean {
    if (step.undoes !== undefined) return this.#begun.has(step.undoes);
    if (this.#endOf(step).aborted) return false;
    return step.needs.every((id) => this.#isDone(id));
  }

  /** A command that ended with another code than 0 has come to its end, and is not what others need. */
  #isDone(id: StepId): boolean {
    const outcome = this.#outcomes.get(id);
    return outcome?.kind === 'done' && (outcome.exitCode ?? 0) === 0;
  }

  /** A VM that is not started because of another one says so. */
  #skip({ vm, kind, needs }: Step, { note }: StepListener): Outcome {
    const missing = needs.find((id) => !this.#isDone(id));
    const outcome = missing === undefined ? undefined : this.#outcomes.get(missing);
    const cause = outcome?.kind === 'skipped' ? outcome.cause : missing;
    const causing = this.#plan.steps.find((step) => step.id === cause);
    if (kind === 'machine.boot' && causing?.vm !== undefined && causing.vm !== vm)
      note(
        `VM ${vm} is not started, because of VM ${causing.vm}: ${causing.title} ${fateOf(this.#outcomes.get(causing.id))}`,
      );
    return { kind: 'skipped', ...(cause === undefined ? {} : { cause }) };
  }

  /** What ends a step: one that outlasts the abort of a run is ended by a second signal only, or by the end of its time. */
  #endOf(step: Step): AbortSignal {
    return (outlasts(step) ? this.#kill : this.#abort).signal;
  }

  /** The first signal has come: what gives something back, and what is done always, has a limited time from now on. */
  #beginEnding(): void {
    const time = endingTime(this.#plan);
    this.#lastCall = setTimeout(() => {
      const running = [...this.#running].filter(([step]) => outlasts(step));
      for (const [step, { warn }] of running) warn(this.#withVm(endedAtOnce(step, time), step));
      this.#kill.abort();
    }, time);
    this.#announceEnding();
  }

  /** Tells once, beside a step that goes on, how it is ended too; what loses nothing and is quick needs no such words. */
  #announceEnding(): void {
    const { again } = this.#signals;
    const [, listener] = [...this.#running].find(([step]) => outlasts(step)) ?? [];
    const copies = this.#plan.steps.some((step) => step.always === true && !this.#outcomes.has(step.id));
    if (this.#isAnnounced || again === undefined || listener === undefined || !copies) return;
    this.#isAnnounced = true;
    listener.note(`Ending; ${again} to end without copies`);
  }

  async #execute(step: Step, listener: StepListener): Promise<Outcome> {
    const signal = this.#endOf(step);
    this.#begun.add(step.id);
    this.#running.set(step, listener);
    listener.begun();
    if (this.#signals.abort.aborted) this.#announceEnding();
    try {
      const warn = (problem: Problem): void => listener.warn(this.#withVm(problem, step));
      const result = await execute(this.#executors, step, { ...listener, warn, signal });
      if (result?.said !== undefined) this.#said.push(result.said);
      return outcomeOf(result);
    } catch (error) {
      if (signal.aborted) return { kind: 'interrupted' };
      const problem = this.#withVm(problemOf(error), step);
      // what failed before is given back all the same, and its failure is told already
      if (step.undoes !== undefined && this.#problems.has(problem)) return { kind: 'done' };
      return { kind: 'failed', problem };
    } finally {
      this.#running.delete(step);
    }
  }

  /** One and the same problem, met by several steps, stays one. */
  #withVm(problem: Problem, { vm }: Step): Problem {
    if (problem.where || vm === undefined) return problem;
    const placed = this.#placed.get(problem) ?? { ...problem, where: { kind: 'vm', vm } };
    this.#placed.set(problem, placed);
    return placed;
  }

  /** The first failure ends the run in order, and so does the first command that exits with another code than 0. */
  #take(step: Step, outcome: Outcome): void {
    if (outcome.kind === 'failed') {
      this.#problems.add(outcome.problem);
      this.#firstBadExit ??= 1;
      if (this.#plan.keepGoing !== true) this.#abort.abort();
    }
    if (outcome.kind === 'done' && outcome.exitCode && this.#plan.exitFrom.includes(step.id)) {
      this.#firstBadExit ??= outcome.exitCode;
      // what somebody typed last before they left a console is nothing to judge a run by
      if (step.kind === 'guest.run' && this.#plan.keepGoing !== true) this.#abort.abort();
    }
  }

  result(): RunResult {
    return {
      outcomes: this.#outcomes,
      problems: [...this.#problems],
      said: this.#said,
      exitCode: this.#signals.exitCode() ?? this.#firstBadExit ?? 0,
    };
  }
}

async function execute(
  executors: Executors,
  step: Step,
  context: StepContext,
): Promise<StepResult | undefined> {
  // the step's kind picks the executor of just that kind, which the compiler cannot follow through a union
  const executor = executors[step.kind] as (
    step: Step,
    context: StepContext,
  ) => Promise<StepResult | undefined>;
  return inTimeAfter(context.signal, step, executor(step, context));
}

/** A step that does not end although it was told to is left to itself: nothing may hold up the end of a run. */
async function inTimeAfter<T>(signal: AbortSignal, { id }: Step, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let begin = (): void => undefined;
  const late = new Promise<never>((_resolve, reject) => {
    begin = () => {
      timer = setTimeout(() => {
        trace('info', () => `step ${id} goes on although it was told to end`);
        reject(signal.reason as Error);
      }, patience('step-end'));
    };
    if (signal.aborted) begin();
    else signal.addEventListener('abort', begin, { once: true });
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', begin);
  }
}

/** Whether a step goes on after the run was told to end: it gives something back, or is done always. */
function outlasts({ undoes, always }: Step): boolean {
  return undoes !== undefined || always === true;
}

function endedAtOnce({ title }: Step, time: number): Problem {
  return {
    reason: 'host',
    message: `"${title}" did not end within ${Math.round(time / 1000)} s of the signal and is ended at once`,
    hint: 'a longer copy-timeout or shutdown-timeout gives the end of a run more time',
  };
}

function outcomeOf(result: StepResult | undefined): Outcome {
  if (result?.ended === true) return { kind: 'ended' };
  return { kind: 'done', ...(result?.exitCode === undefined ? {} : { exitCode: result.exitCode }) };
}

interface PromiseWithSettle {
  readonly promise: Promise<void>;
  readonly settle: () => void;
}

function settleable(): PromiseWithSettle {
  let settle = (): void => undefined;
  const promise = new Promise<void>((resolve) => (settle = resolve));
  return { promise, settle };
}
