import type { Executor, Executors, OptionalResult, StepContext } from '../plan/executor.ts';
import { acts, waitsFor, type Act } from '../plan/graph.ts';
import type { Plan, Step, StepId, StepKind } from '../plan/step.ts';
import { commandOf } from '../plan/new-step.ts';
import { linked, patience, type LinkedSignal } from '../host/deadline.ts';
import { trace } from '../host/trace.ts';
import { endingTime } from './ending-time.ts';
import { BootLimit } from './boot-limit.ts';
import type { Problem } from '../problem.ts';
import { problemOf } from '../problem.ts';

/** Outcome of one step. */
export type Outcome =
  | { readonly kind: 'done'; readonly exitCode?: number }
  /** The machine shut down by itself: nothing failed, and dependent steps have nothing to do. */
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly problem: Problem }
  /** `cause` is the required step, direct or indirect, that was not done. */
  | { readonly kind: 'skipped'; readonly cause?: StepId }
  | { readonly kind: 'interrupted' };

export interface RunResult {
  readonly outcomes: ReadonlyMap<StepId, Outcome>;
  /** Failures in the order they happened, without the steps skipped because of them. */
  readonly problems: readonly Problem[];
  /** Lines for stdout. */
  readonly output: readonly string[];
  readonly exitCode: number;
}

/** Signals that end a run. */
export interface RunSignals {
  /** End in order. */
  readonly abort: AbortSignal;
  /** End at once: aborted by a second signal. */
  readonly kill: AbortSignal;
  /** Exit code for the received signal; undefined without one. */
  readonly exitCode: () => number | undefined;
  /** Instruction to send the second signal, as the beginning of a sentence. */
  readonly again?: string;
}

/** Events of a running step, for its view. */
export type StepListener = Pick<StepContext, 'progress' | 'note' | 'warn' | 'heard'> & {
  /** The step starts. */
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

/** View of an act in which, after a failure, no step is left to run. */
const unseen: View = async ({ steps }, perform) => {
  const listener = { begun: nothing, progress: nothing, note: nothing, warn: nothing };
  await Promise.all(steps.map((step) => perform(step, listener)));
};

function nothing(): void {
  // nothing is shown
}

/** Describes the outcome of a required step, following its title. */
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
  readonly #output: string[] = [];
  readonly #starts: BootLimit;
  /** Aborted by an outside signal or the first failure of a step. */
  readonly #abort: LinkedSignal;
  /** Aborted by the second signal, or when the run does not end in time after the first. */
  readonly #kill: LinkedSignal;
  /** Running steps with their views. */
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

  /** Whether any step of an act can still start: after an abort only steps that release something or always run. */
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

  /** Outcome of a command: one that exited with a code other than 0 does not satisfy dependent steps. */
  #isDone(id: StepId): boolean {
    const outcome = this.#outcomes.get(id);
    return outcome?.kind === 'done' && (outcome.exitCode ?? 0) === 0;
  }

  /** Reports that a VM is not started because of another one. */
  #skip({ vm, phase, needs }: Step, { note }: StepListener): Outcome {
    const missing = needs.find((id) => !this.#isDone(id));
    const outcome = missing === undefined ? undefined : this.#outcomes.get(missing);
    const cause = outcome?.kind === 'skipped' ? outcome.cause : missing;
    const causing = this.#plan.steps.find((step) => step.id === cause);
    if (phase === 'boot' && causing?.vm !== undefined && causing.vm !== vm)
      note(
        `VM ${vm} is not started, because of VM ${causing.vm}: ${causing.title} ${fateOf(this.#outcomes.get(causing.id))}`,
      );
    return { kind: 'skipped', ...(cause === undefined ? {} : { cause }) };
  }

  /** Signal that ends a step: one that outlasts an abort is ended only by a second signal or its time limit. */
  #endOf(step: Step): AbortSignal {
    return (outlasts(step) ? this.#kill : this.#abort).signal;
  }

  /** Handles the first signal: from now on, steps that release something or always run have limited time. */
  #beginEnding(): void {
    const time = endingTime(this.#plan);
    this.#lastCall = setTimeout(() => {
      const running = [...this.#running].filter(([step]) => outlasts(step));
      for (const [step, { warn }] of running) warn(this.#withVm(endedAtOnce(step, time), step));
      this.#kill.abort();
    }, time);
    this.#announceEnding();
  }

  /** Prints once how to end a step that goes on after a signal, unless it is quick and loses nothing. */
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
      // the kind selects the matching executor, which the compiler cannot follow through a union
      const execute = this.#executors[step.kind] as Executor<StepKind>;
      const result = await inTimeAfter(signal, step, execute(step, { ...listener, warn, signal }));
      if (result?.output !== undefined) this.#output.push(result.output);
      return outcomeOf(result);
    } catch (error) {
      if (signal.aborted) return { kind: 'interrupted' };
      const problem = this.#withVm(problemOf(error), step);
      // a failed acquisition is released all the same, and its failure has been reported
      if (step.undoes !== undefined && this.#problems.has(problem)) return { kind: 'done' };
      return { kind: 'failed', problem };
    } finally {
      this.#running.delete(step);
    }
  }

  /** Adds a problem unless another step has already reported the same one. */
  #withVm(problem: Problem, { vm }: Step): Problem {
    if (problem.where || vm === undefined) return problem;
    const placed = this.#placed.get(problem) ?? { ...problem, where: { kind: 'vm', vm } };
    this.#placed.set(problem, placed);
    return placed;
  }

  /** Ends the run in order on the first failure or the first nonzero exit code of a command. */
  #take(step: Step, outcome: Outcome): void {
    if (outcome.kind === 'failed') {
      this.#problems.add(outcome.problem);
      this.#firstBadExit ??= 1;
      if (this.#plan.keepGoing !== true) this.#abort.abort();
    }
    if (outcome.kind === 'done' && outcome.exitCode && this.#plan.exitFrom.includes(step.id)) {
      this.#firstBadExit ??= outcome.exitCode;
      // the exit code of an interactive console does not count
      if (commandOf(step) !== undefined && this.#plan.keepGoing !== true) this.#abort.abort();
    }
  }

  result(): RunResult {
    return {
      outcomes: this.#outcomes,
      problems: [...this.#problems],
      output: this.#output,
      exitCode: this.#signals.exitCode() ?? this.#firstBadExit ?? 0,
    };
  }
}

/** Abandons a step that ignores its abort, since nothing may block the end of a run. */
async function inTimeAfter<T>(signal: AbortSignal, { id }: Step, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let begin = (): void => undefined;
  const late = new Promise<never>((_resolve, reject) => {
    begin = () => {
      timer = setTimeout(() => {
        trace('info', () => `step ${id} continues although it was aborted`);
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

/** Whether a step runs after an abort: it releases something, or always runs. */
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

function outcomeOf(result: OptionalResult): Outcome {
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
