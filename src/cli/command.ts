import type { Environment } from '../config/merge.ts';
import type { Layer } from '../options/layer.ts';
import type { Scope } from '../options/option.ts';
import type { Plan } from '../plan/step.ts';
import type { Result } from '../problem.ts';
import { ok } from '../problem.ts';

/** What a command wants done: a plan performed, a plan shown and nothing done, or a question answered. */
export type Intent = PlanIntent | ImagesIntent | VmsIntent;

export interface PlanIntent {
  readonly kind: 'perform' | PlanForm;
  readonly plan: Plan;
}

/** What a backend holds, as a table or as JSON. */
export interface ImagesIntent {
  readonly kind: 'images';
  readonly backend: string;
  readonly json: boolean;
}

/** The VMs of a store, as a table or as JSON. */
export interface VmsIntent {
  readonly kind: 'vms';
  readonly vmstore: string;
  /** Those too that do not run. */
  readonly all: boolean;
  readonly json: boolean;
  readonly columns: { readonly ssh: boolean; readonly pid: boolean };
}

/** The forms in which a plan is shown. */
export type PlanForm = 'tree' | 'json' | 'dot';

/** A flag that belongs to one command and is no option of a VM. */
export interface Switch {
  /** As commander writes it: `--file <PATH>`. */
  readonly flags: string;
  readonly help: string;
}

/** What the user typed for one command, parsed and checked. */
export interface Invocation {
  readonly operands: readonly string[];
  readonly flags: Layer;
  /** The command's own switches by their names without dashes in front. */
  readonly switches: Readonly<Record<string, unknown>>;
  readonly environment: Environment;
  readonly workingDirectory: string;
}

/** A command as data, read by the parser and by help. */
export interface CommandDef {
  readonly name: string;
  /** As commander writes them: `<image>`, `[vm...]`. */
  readonly operands: string;
  readonly scope: Scope;
  readonly help: string;
  readonly switches: readonly Switch[];
  /** Flags that people try here and that belong elsewhere, with the reason. */
  readonly refuses?: Readonly<Record<string, string>>;
  /** Whether what follows "--" goes to QEMU. */
  readonly takesQemuArguments: boolean;
  readonly intend: (invocation: Invocation) => Promise<Result<Intent>>;
}

/** Shows the plan instead of performing it, on commands that perform one. */
export const PLAN_SWITCHES: readonly Switch[] = [{ flags: '--plan', help: 'print the plan and do nothing' }];

/** What a command with {@link PLAN_SWITCHES} does with its plan. */
export function performOrShow({ switches }: Invocation, plan: Result<Plan>): Result<PlanIntent> {
  return plan.ok ? ok({ kind: switches['plan'] === true ? 'tree' : 'perform', plan: plan.value }) : plan;
}

/** The form in which `--json` and `--dot` want a plan. */
export function planForm(switches: Invocation['switches']): PlanForm {
  if (switches['json'] === true) return 'json';
  return switches['dot'] === true ? 'dot' : 'tree';
}
