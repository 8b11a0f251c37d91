import { vmsOf } from '../plan/graph.ts';
import type { Plan, Step, StepId, StepKind } from '../plan/step.ts';
import { isUserStep } from '../plan/guest-steps.ts';
import type { Problem } from '../problem.ts';
import type { Recorder } from '../run/recorder.ts';
import type { Outcome, RunResult } from '../run/runner.ts';
import { fateOf } from '../run/runner.ts';

/** Version of the JSON form; it changes when a reader of an older one could misread it. */
const VERSION = 1;

/** How a run came out, step by step and VM by VM; times as ISO time and in seconds. */
export interface RunReport {
  readonly version: typeof VERSION;
  readonly title: string;
  /** `unfinished`: written before the run began; it is all there is when nobody could write the end. */
  readonly state: 'unfinished' | 'ended';
  readonly began: string;
  readonly seconds: number;
  readonly exitCode?: number;
  readonly vms: readonly VmReport[];
  /** Steps that serve several VMs. */
  readonly shared: readonly Phase[];
  readonly problems: readonly Problem[];
}

export interface VmReport {
  readonly name: string;
  /** What was run in it; missing for a service, and for a console. */
  readonly command?: string;
  readonly verdict: Verdict;
  /** How long its command took, or all of it where that did not begin. */
  readonly seconds: number;
  readonly phases: readonly Phase[];
  /** The end of what the command wrote, as UTF-8. */
  readonly stdout: string;
  readonly stderr: string;
}

/** One step of a run. */
export interface Phase {
  readonly id: StepId;
  readonly kind: StepKind;
  readonly title: string;
  readonly outcome: Outcome['kind'] | 'unfinished';
  readonly exitCode?: number;
  readonly began?: string;
  readonly seconds?: number;
}

/**
 * What became of a VM: `failed` by its command, `error` by a step, which is the `phase`; `skipped` because of another VM;
 * `interrupted` with the run.
 */
export type Verdict =
  | { readonly kind: 'passed' | 'unfinished' }
  | { readonly kind: 'failed'; readonly phase: StepId; readonly exitCode: number }
  | { readonly kind: 'error'; readonly phase: StepId; readonly problem: Problem }
  | { readonly kind: 'skipped'; readonly phase: StepId; readonly because: string }
  | { readonly kind: 'interrupted'; readonly phase: StepId };

/** What is known of a run when it is told of; without a result it has not ended. */
export interface RunFacts {
  readonly title: string;
  readonly plan: Plan;
  /** Milliseconds since 1970. */
  readonly began: number;
  readonly recorder: Recorder;
  readonly result?: RunResult;
}

/** Tells of a run. */
export function reportOf(facts: RunFacts, now: number): RunReport {
  const { title, plan, began, result } = facts;
  const vms = vmsOf(plan.steps);
  const phases = phasesOf(facts);
  return {
    version: VERSION,
    title,
    state: result === undefined ? 'unfinished' : 'ended',
    began: new Date(began).toISOString(),
    seconds: seconds(now - began),
    ...(result === undefined ? {} : { exitCode: result.exitCode }),
    vms: vms.map((vm) => vmReport(vm, phases, facts)),
    shared: phases.filter(({ step }) => step.vm === undefined).map(({ phase }) => phase),
    problems: result?.problems ?? [],
  };
}

interface Performed {
  readonly step: Step;
  readonly phase: Phase;
  readonly outcome: Outcome | undefined;
}

function phasesOf({ plan, recorder, result }: RunFacts): Performed[] {
  return plan.steps.map((step) => {
    const { begun, ended } = recorder.of(step.id);
    // what is passed over without being shown is known to the runner alone
    const outcome = result?.outcomes.get(step.id);
    const exitCode = outcome?.kind === 'done' ? outcome.exitCode : undefined;
    const phase: Phase = {
      id: step.id,
      kind: step.kind,
      title: step.title,
      outcome: outcome?.kind ?? 'unfinished',
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(begun === undefined ? {} : { began: new Date(begun).toISOString() }),
      ...(begun === undefined || ended === undefined ? {} : { seconds: seconds(ended - begun) }),
    };
    return { step, phase, outcome };
  });
}

function vmReport(vm: string, phases: readonly Performed[], facts: RunFacts): VmReport {
  const own = phases.filter(({ step }) => step.vm === vm);
  const work = own.find(({ step }) => isUserStep(step));
  const output = work && facts.recorder.of(work.step.id).output;
  return {
    name: vm,
    ...(work?.step.kind === 'guest.run' ? { command: work.step.command } : {}),
    verdict: verdictOf(vm, own, phases, facts.result),
    seconds: work?.phase.seconds ?? spanOf(own, facts.recorder),
    phases: own.map(({ phase }) => phase),
    stdout: output?.stdout.text ?? '',
    stderr: output?.stderr.text ?? '',
  };
}

function verdictOf(
  vm: string,
  own: readonly Performed[],
  all: readonly Performed[],
  result: RunResult | undefined,
): Verdict {
  if (result === undefined) return { kind: 'unfinished' };
  for (const { phase, outcome } of own) {
    if (outcome?.kind === 'failed') return { kind: 'error', phase: phase.id, problem: outcome.problem };
  }
  for (const { step, phase, outcome } of own) {
    if (isUserStep(step) && outcome?.kind === 'done' && outcome.exitCode)
      return { kind: 'failed', phase: phase.id, exitCode: outcome.exitCode };
  }
  const blamed = all.find(({ step, outcome }) => step.vm === undefined && isAbout(outcome, vm));
  if (blamed?.outcome?.kind === 'failed')
    return { kind: 'error', phase: blamed.phase.id, problem: blamed.outcome.problem };
  const stopped = own.find(({ outcome }) => outcome?.kind === 'skipped' || outcome?.kind === 'interrupted');
  return stopped === undefined ? { kind: 'passed' } : verdictOfStopped(vm, stopped, all);
}

/** A step that serves several VMs tells of which of them its failure is, where it is of one. */
function isAbout(outcome: Outcome | undefined, vm: string): boolean {
  if (outcome?.kind !== 'failed') return false;
  const { where } = outcome.problem;
  return where?.kind === 'vm' && where.vm === vm;
}

/** What kept a VM from its end: a step of all, another VM, or that the run was over. */
function verdictOfStopped(vm: string, { phase, outcome }: Performed, all: readonly Performed[]): Verdict {
  const id = outcome?.kind === 'skipped' ? outcome.cause : undefined;
  const cause = all.find(({ phase: other }) => other.id === id);
  if (cause?.outcome?.kind === 'failed' && cause.step.vm === undefined)
    return { kind: 'error', phase: cause.phase.id, problem: cause.outcome.problem };
  if (cause === undefined || cause.outcome?.kind === 'interrupted')
    return { kind: 'interrupted', phase: phase.id };
  const whose = cause.step.vm === undefined || cause.step.vm === vm ? '' : `VM ${cause.step.vm}: `;
  return {
    kind: 'skipped',
    phase: phase.id,
    because: `${whose}${cause.step.title} ${fateOf(cause.outcome)}`,
  };
}

/** Seconds from the first of some steps to the end of the last. */
function spanOf(steps: readonly Performed[], recorder: Recorder): number {
  const records = steps.map(({ step }) => recorder.of(step.id));
  const begun = records.flatMap((record) => record.begun ?? []);
  const ended = records.flatMap((record) => record.ended ?? []);
  return begun.length === 0 || ended.length === 0 ? 0 : seconds(Math.max(...ended) - Math.min(...begun));
}

function seconds(milliseconds: number): number {
  return Math.round(milliseconds) / 1000;
}
