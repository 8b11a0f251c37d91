import type { Environment } from '../config/merge.ts';
import type { Layer } from '../options/layer.ts';
import type { Scope } from '../options/option.ts';
import type { RunningVm } from '../host/vm-registry.ts';
import type { ProjectRecord } from '../host/projects.ts';
import type { Supervised } from '../plan/project.ts';
import type { Plan, ProcessFacts } from '../plan/step.ts';
import type { ReportFile } from '../report/report-file.ts';
import type { ProjectPlace } from './project-place.ts';
import type { Request } from '../run/supervisor.ts';
import type { Result } from '../problem.ts';
import { ok } from '../problem.ts';

/** What a command wants done: a plan performed, a plan shown and nothing done, or a question answered. */
export type Intent =
  | PlanIntent
  | OrderIntent
  | WatchIntent
  | SayIntent
  | ImagesIntent
  | VmsIntent
  | LogsIntent
  | DoctorIntent
  | CompletionIntent
  | SshConfigIntent
  | InitIntent;

export type PlanIntent =
  | PerformIntent
  | {
      readonly kind: PlanForm;
      readonly plan: Plan;
      /** Where the project is, if it is the plan of one. */
      readonly place?: ProjectPlace;
    };

export interface PerformIntent {
  readonly kind: 'perform';
  readonly plan: Plan;
  readonly keeping?: Keeping;
}

/** What of a run is kept in files besides what it says. */
export interface Keeping {
  /** What the run is called. */
  readonly title: string;
  readonly reports: readonly ReportFile[];
  readonly logDirectory?: string;
}

/** Something for the process that runs a project detached; one is started where there is none. */
export interface OrderIntent {
  readonly kind: 'order';
  readonly order: Request;
  readonly record: ProjectRecord | undefined;
  readonly file: string;
  readonly project: string;
  /** Nothing of the project runs afterwards: the end of that process is waited for. */
  readonly isLast: boolean;
  /** The VMs that the plan ends are killed first, and a process that does not answer too. */
  readonly kill?: boolean;
  /** Lines that are told first. */
  readonly notes?: readonly string[];
  readonly keeping?: Keeping;
}

/** A project that is brought up to date whenever one of its files changes. */
export interface WatchIntent {
  readonly kind: 'watch';
  /**
   * What is to be done, given the VMs that are there and the files that have changed; the files it depends on; and what is to
   * be said of it.
   */
  readonly replan: (
    there: readonly Supervised[],
    touched: readonly string[],
  ) => Promise<
    Result<{ readonly order: Request; readonly files: readonly string[]; readonly news: readonly string[] }>
  >;
}

/** Nothing is to be done, which is worth a line. */
export interface SayIntent {
  readonly kind: 'say';
  readonly note: string;
}

/** A log, and the process that writes it. */
export interface LogsIntent {
  readonly kind: 'logs';
  readonly path: string;
  readonly follow: boolean;
  readonly writer: ProcessFacts;
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

/** What of the host is as it should be, as a table or as JSON. */
export interface DoctorIntent {
  readonly kind: 'doctor';
  readonly backend: string;
  readonly vmstore: string;
  readonly json: boolean;
}

/** Running VMs, as a configuration for ssh. */
export interface SshConfigIntent {
  readonly kind: 'ssh-config';
  /** Each with the names that it is known by. */
  readonly hosts: readonly { readonly names: readonly string[]; readonly vm: RunningVm }[];
}

/** A Transientfile that is to be written in a directory. */
export interface InitIntent {
  readonly kind: 'init';
  readonly directory: string;
  /** What was said of it on the command line. */
  readonly said: Partial<InitAnswers>;
  /** What was not said is asked for, where somebody can answer. */
  readonly ask: boolean;
}

/** What a new Transientfile is made of, as it is typed. */
export interface InitAnswers {
  readonly name: string;
  readonly image: string;
  readonly memory: string;
  readonly command: string;
}

/** The script that completes our command lines in a shell. */
export interface CompletionIntent {
  readonly kind: 'completion';
  readonly shell: Shell;
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof SHELLS)[number];

/** Names that are looked up while a command line is typed: of VMs in the Transientfile, VMs that run, stored VMs, images. */
export const NAME_KINDS = ['project', 'running', 'stored', 'images'] as const;

export type NameKind = (typeof NAME_KINDS)[number];

/** What a shell offers in a place of a command line: names, paths, or one of these words. */
export type Completes = NameKind | 'paths' | readonly string[];

/** The forms in which a plan is shown. */
export type PlanForm = 'tree' | 'json' | 'dot';

/** A flag that belongs to one command and is no option of a VM. */
export interface Switch {
  /** As commander writes it: `--file <PATH>`. */
  readonly flags: string;
  readonly help: string;
  /** It may be said several times, and is a list. */
  readonly repeatable?: boolean;
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
  /** What shells offer for the operands, in their order. */
  readonly completes?: readonly Completes[];
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
export function performOrShow(
  { switches }: Invocation,
  plan: Result<Plan>,
  keeping?: Keeping,
): Result<PlanIntent> {
  if (!plan.ok) return plan;
  if (switches['plan'] === true) return ok({ kind: 'tree', plan: plan.value });
  return ok({ kind: 'perform', plan: plan.value, ...(keeping ? { keeping } : {}) });
}

/** The form in which `--json` and `--dot` want a plan. */
export function planForm(switches: Invocation['switches']): PlanForm {
  if (switches['json'] === true) return 'json';
  return switches['dot'] === true ? 'dot' : 'tree';
}
