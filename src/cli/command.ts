import type { Environment } from '../config/merge.ts';
import type { Layer } from '../options/layer.ts';
import type { Scope } from '../options/option.ts';
import type { Plan } from '../plan/step.ts';
import type { Result } from '../problem.ts';
import type { ReportFile } from '../report/report-file.ts';
import type { Output } from './output.ts';
import type { ProjectPlace } from './project-place.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof SHELLS)[number];

/**
 * Kinds of names that completion looks up: VMs in the Transientfile, running VMs, stored VMs, images of the backend, and
 * those together with the ones of the catalogue.
 */
export const NAME_KINDS = ['project', 'running', 'stored', 'images', 'available'] as const;

export type NameKind = (typeof NAME_KINDS)[number];

/** Completions of an argument: names, paths, or one of these words. */
export type Completes = NameKind | 'paths' | readonly string[];

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

/** The parts of an invocation that determine which files and stores a command uses. */
export type InvocationPlace = Pick<Invocation, 'environment' | 'workingDirectory' | 'flags'>;

/** Files to write about a run. */
export interface RunFileOptions {
  /** Name of the run. */
  readonly title: string;
  readonly reports: readonly ReportFile[];
  readonly logDirectory?: string;
}

/** Plan of a command, with what is needed to show it and to run it. */
export interface CommandPlan {
  readonly plan: Plan;
  /** Location of the project, if the plan is for one. */
  readonly place?: ProjectPlace;
  /** Files written about the run. */
  readonly files?: RunFileOptions;
}

/** Syntax and documentation of a command, read by the parser, help, completion and docs. */
interface CommandSyntax {
  readonly name: string;
  /** In commander's syntax: `<image>`, `[vm...]`. */
  readonly operands?: string;
  /** Completions of the operands, in order. */
  readonly completes?: readonly Completes[];
  readonly scope: Scope;
  readonly help: string;
  readonly switches?: readonly CommandSwitch[];
  /** Flags that belong to other commands, with a hint. */
  readonly refuses?: Readonly<Record<string, string>>;
  /** Whether what follows "--" goes to QEMU. */
  readonly takesQemuArguments?: boolean;
}

type MaybePromise<T> = T | Promise<T>;

/** Command that runs a plan, or shows it with {@link PLAN_SWITCH}. */
export interface PlanCommand extends CommandSyntax {
  readonly plan: (invocation: Invocation) => MaybePromise<Result<CommandPlan>>;
}

/** Command that does anything else; returns the exit code. */
export interface ActionCommand extends CommandSyntax {
  readonly run: (invocation: Invocation, output: Output) => MaybePromise<Result<number>>;
}

export type CommandDef = PlanCommand | ActionCommand;

/** Switch that shows the plan instead of running it. */
export const PLAN_SWITCH: CommandSwitch = { flags: '--plan', help: 'print the plan and do nothing' };
