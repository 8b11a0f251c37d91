import { vmsOf } from '../plan/graph.ts';
import type { Plan, Step, StepId, StepKind } from '../plan/step.ts';
import { commandOf } from '../plan/new-step.ts';
import type { Problem } from '../problem.ts';
import type { Recorder } from '../run/recorder.ts';
import type { Outcome, RunResult } from '../run/runner.ts';
import { fateOf } from '../run/runner.ts';

/** Version of the JSON format, increased on incompatible changes. */
const VERSION = 1;

/** Result of a run by step and by VM; times as ISO time and in seconds. */
export interface RunReport {
  readonly version: typeof VERSION;
  readonly title: string;
  /** `unfinished`: written before the run starts; remains if the process cannot write the final report. */
  readonly state: 'unfinished' | 'ended';
  /** @format date-time */
  readonly began: string;
  readonly seconds: number;
  /** @asType integer */
  readonly exitCode?: number;
  readonly vms: readonly VmReport[];
  /** Steps that serve several VMs. */
  readonly shared: readonly StepReport[];
  readonly problems: readonly Problem[];
}

export interface VmReport {
  readonly name: string;
  /** Command run in the VM; undefined for a service or a console. */
  readonly command?: string;
  readonly verdict: Verdict;
  /** Duration of its command, or of all its steps if the command did not start. */
  readonly seconds: number;
  readonly phases: readonly StepReport[];
  /** The end of what the command wrote, as UTF-8. */
  readonly stdout: string;
  readonly stderr: string;
}

/** One step of a run. */
export interface StepReport {
  readonly id: StepId;
  readonly kind: StepKind;
  readonly title: string;
  readonly outcome: Outcome['kind'] | 'unfinished';
  /** @asType integer */
  readonly exitCode?: number;
  /** @format date-time */
  readonly began?: string;
  readonly seconds?: number;
}

/**
 * Result of a VM: `failed` by its command, `error` by a step, which is the `phase`; `skipped` because of another VM;
 * `interrupted` with the run.
 */
export type Verdict =
  | { readonly kind: 'passed' | 'unfinished' }
  | {
      readonly kind: 'failed';
      readonly phase: StepId;
      /** @asType integer */
      readonly exitCode: number;
    }
  | { readonly kind: 'error'; readonly phase: StepId; readonly problem: Problem }
  | { readonly kind: 'skipped'; readonly phase: StepId; readonly because: string }
  | { readonly kind: 'interrupted'; readonly phase: StepId };

/** Input of a report; without a result the run has not ended. */
export interface RunFacts {
  readonly title: string;
  readonly plan: Plan;
  /** Milliseconds since 1970. */
  readonly began: number;
  readonly recorder: Recorder;
  readonly result?: RunResult;
}

/** Builds the report of a run. */
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
  readonly phase: StepReport;
  readonly outcome: Outcome | undefined;
}

function phasesOf({ plan, recorder, result }: RunFacts): Performed[] {
  return plan.steps.map((step) => {
    const { begun, ended } = recorder.of(step.id);
    // steps skipped without being shown are known only to the runner
    const outcome = result?.outcomes.get(step.id);
    const exitCode = outcome?.kind === 'done' ? outcome.exitCode : undefined;
    const phase: StepReport = {
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
  const vmSteps = phases.filter(({ step }) => step.vm === vm);
  const work = vmSteps.find(({ step }) => step.phase === 'user');
  const command = work && commandOf(work.step);
  const output = work && facts.recorder.of(work.step.id).output;
  return {
    name: vm,
    ...(command === undefined ? {} : { command }),
    verdict: verdictOf(vm, vmSteps, phases, facts.result),
    seconds: work?.phase.seconds ?? spanOf(vmSteps, facts.recorder),
    phases: vmSteps.map(({ phase }) => phase),
    stdout: output?.stdout.text ?? '',
    stderr: output?.stderr.text ?? '',
  };
}

function verdictOf(
  vm: string,
  vmSteps: readonly Performed[],
  all: readonly Performed[],
  result: RunResult | undefined,
): Verdict {
  if (result === undefined) return { kind: 'unfinished' };
  for (const { phase, outcome } of vmSteps) {
    if (outcome?.kind === 'failed') return { kind: 'error', phase: phase.id, problem: outcome.problem };
  }
  for (const { step, phase, outcome } of vmSteps) {
    if (step.phase === 'user' && outcome?.kind === 'done' && outcome.exitCode)
      return { kind: 'failed', phase: phase.id, exitCode: outcome.exitCode };
  }
  const blamed = all.find(({ step, outcome }) => step.vm === undefined && isAbout(outcome, vm));
  if (blamed?.outcome?.kind === 'failed')
    return { kind: 'error', phase: blamed.phase.id, problem: blamed.outcome.problem };
  const stopped = vmSteps.find(
    ({ outcome }) => outcome?.kind === 'skipped' || outcome?.kind === 'interrupted',
  );
  return stopped === undefined ? { kind: 'passed' } : verdictOfStopped(vm, stopped, all);
}

/** The VM that a failure of a shared step belongs to, if it is about a single VM. */
function isAbout(outcome: Outcome | undefined, vm: string): boolean {
  if (outcome?.kind !== 'failed') return false;
  const { where } = outcome.problem;
  return where?.kind === 'vm' && where.vm === vm;
}

/** Why a VM was stopped early: a shared step, another VM, or the end of the run. */
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

/** Seconds from the start of the first step to the end of the last. */
function spanOf(steps: readonly Performed[], recorder: Recorder): number {
  const records = steps.map(({ step }) => recorder.of(step.id));
  const begun = records.flatMap((record) => record.begun ?? []);
  const ended = records.flatMap((record) => record.ended ?? []);
  return begun.length === 0 || ended.length === 0 ? 0 : seconds(Math.max(...ended) - Math.min(...begun));
}

function seconds(milliseconds: number): number {
  return Math.round(milliseconds) / 1000;
}
