import type { Environment } from '../config/merge.ts';
import type { Layer } from '../options/layer.ts';
import type { Scope } from '../options/option.ts';
import type { RunningVm } from '../host/vm-registry.ts';
import type { ProjectRecord } from '../host/project-registry.ts';
import type { Supervised } from '../plan/project.ts';
import type { Plan, ProcessFacts } from '../plan/step.ts';
import type { ReportFile } from '../report/report-file.ts';
import type { ProjectPlace } from './project-place.ts';
import type { Request } from '../daemon/supervisor.ts';
import type { Result } from '../problem.ts';
import { ok } from '../problem.ts';

/** Action requested by a command: to perform a plan, to show one, or to answer a query. */
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
      /** Location of the project, if the plan is for one. */
      readonly place?: ProjectPlace;
    };

export interface PerformIntent {
  readonly kind: 'perform';
  readonly plan: Plan;
  readonly keeping?: Keeping;
}

/** Files written about a run. */
export interface Keeping {
  /** Name of the run. */
  readonly title: string;
  readonly reports: readonly ReportFile[];
  readonly logDirectory?: string;
}

/** Request to the supervisor of a detached project, which is started if necessary. */
export interface OrderIntent {
  readonly kind: 'order';
  readonly order: Request;
  readonly record: ProjectRecord | undefined;
  readonly file: string;
  readonly project: string;
  /** Whether nothing of the project runs afterwards, so that the supervisor's exit is awaited. */
  readonly isLast: boolean;
  /** Whether to kill the VMs that the plan stops first, and a supervisor that does not answer. */
  readonly kill?: boolean;
  /** Lines to print first. */
  readonly notes?: readonly string[];
  readonly keeping?: Keeping;
}

/** Watches a project, updating it whenever one of its files changes. */
export interface WatchIntent {
  readonly kind: 'watch';
  /**
   * Plans the changes for the existing VMs and the files that have changed; returns also the files to watch and messages
   * for the user.
   */
  readonly replan: (
    existing: readonly Supervised[],
    touched: readonly string[],
  ) => Promise<
    Result<{ readonly order: Request; readonly files: readonly string[]; readonly news: readonly string[] }>
  >;
}

/** Prints a note that there is nothing to do. */
export interface SayIntent {
  readonly kind: 'say';
  readonly note: string;
}

/** Prints a log; `writer` is the process that writes it. */
export interface LogsIntent {
  readonly kind: 'logs';
  readonly path: string;
  readonly follow: boolean;
  readonly writer: ProcessFacts;
}

/** Lists the images of a backend, as a table or JSON. */
export interface ImagesIntent {
  readonly kind: 'images';
  readonly backend: string;
  readonly json: boolean;
}

/** Lists the VMs of a store, as a table or JSON. */
export interface VmsIntent {
  readonly kind: 'vms';
  readonly vmstore: string;
  /** Whether stopped VMs are included. */
  readonly all: boolean;
  readonly json: boolean;
  readonly columns: { readonly ssh: boolean; readonly pid: boolean };
}

/** Checks the host, with output as a table or JSON. */
export interface DoctorIntent {
  readonly kind: 'doctor';
  readonly backend: string;
  readonly vmstore: string;
  readonly json: boolean;
}

/** Prints an ssh configuration for running VMs. */
export interface SshConfigIntent {
  readonly kind: 'ssh-config';
  /** Running VMs with the host names they get. */
  readonly hosts: readonly { readonly names: readonly string[]; readonly vm: RunningVm }[];
}

/** Creates a Transientfile in a directory. */
export interface InitIntent {
  readonly kind: 'init';
  readonly directory: string;
  /** Answers given on the command line. */
  readonly given: Partial<InitAnswers>;
  /** Whether to ask for missing answers, if stdin is a terminal. */
  readonly ask: boolean;
}

/** Values for a new Transientfile, as typed. */
export interface InitAnswers {
  readonly name: string;
  readonly image: string;
  readonly memory: string;
  readonly command: string;
}

/** Prints the completion script for a shell. */
export interface CompletionIntent {
  readonly kind: 'completion';
  readonly shell: Shell;
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof SHELLS)[number];

/** Kinds of names that completion looks up: VMs in the Transientfile, running VMs, stored VMs, images. */
export const NAME_KINDS = ['project', 'running', 'stored', 'images'] as const;

export type NameKind = (typeof NAME_KINDS)[number];

/** Completions of an argument: names, paths, or one of these words. */
export type Completes = NameKind | 'paths' | readonly string[];

/** Output formats of a plan. */
export type PlanForm = 'tree' | 'json' | 'dot';

/** A flag of one command that is not a VM option. */
export interface CommandSwitch {
  /** In commander's syntax: `--file <PATH>`. */
  readonly flags: string;
  readonly help: string;
  /** Whether it may be repeated, its value being a list. */
  readonly repeatable?: boolean;
}

/** Parsed and validated command line of one command. */
export interface Invocation {
  readonly operands: readonly string[];
  readonly flags: Layer;
  /** The command's own switches by their names without dashes in front. */
  readonly switches: Readonly<Record<string, unknown>>;
  readonly environment: Environment;
  readonly workingDirectory: string;
}

/** Declaration of a command, read by the parser, help, completion and docs. */
export interface CommandDef {
  readonly name: string;
  /** In commander's syntax: `<image>`, `[vm...]`. */
  readonly operands: string;
  /** Completions of the operands, in order. */
  readonly completes?: readonly Completes[];
  readonly scope: Scope;
  readonly help: string;
  readonly switches: readonly CommandSwitch[];
  /** Flags that belong to other commands, with a hint. */
  readonly refuses?: Readonly<Record<string, string>>;
  /** Whether what follows "--" goes to QEMU. */
  readonly takesQemuArguments: boolean;
  readonly intend: (invocation: Invocation) => Promise<Result<Intent>>;
}

/** Switch that shows the plan instead of performing it. */
export const PLAN_SWITCHES: readonly CommandSwitch[] = [
  { flags: '--plan', help: 'print the plan and do nothing' },
];

/** Intent of a command with {@link PLAN_SWITCHES}: to perform its plan or show it. */
export function performOrShow(
  { switches }: Invocation,
  plan: Result<Plan>,
  keeping?: Keeping,
): Result<PlanIntent> {
  if (!plan.ok) return plan;
  if (switches['plan'] === true) return ok({ kind: 'tree', plan: plan.value });
  return ok({ kind: 'perform', plan: plan.value, ...(keeping ? { keeping } : {}) });
}

/** Output format selected by `--json` and `--dot`. */
export function planForm(switches: Invocation['switches']): PlanForm {
  if (switches['json'] === true) return 'json';
  return switches['dot'] === true ? 'dot' : 'tree';
}
