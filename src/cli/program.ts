import { Command, CommanderError, Option } from 'commander';
import type { Environment } from '../config/merge.ts';
import { addFlags, append, flagLayer, type RawFlags } from '../options/flags.ts';
import { OPTION_TABLE, optionsIn } from '../options/table.ts';
import type { Problem, Result } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import type { CommandDef, Invocation, CommandSwitch } from './command.ts';
import { completion } from './commands/completion.ts';
import { cp } from './commands/cp.ts';
import { create } from './commands/create.ts';
import { doctor } from './commands/doctor.ts';
import { down } from './commands/down.ts';
import { commit } from './commands/commit.ts';
import { imageLs } from './commands/image-ls.ts';
import { imagePull } from './commands/image-pull.ts';
import { imagePrune } from './commands/image-prune.ts';
import { imageRm } from './commands/image-rm.ts';
import { imageSearch } from './commands/image-search.ts';
import { imageUpdate } from './commands/image-update.ts';
import { init } from './commands/init.ts';
import { logs } from './commands/logs.ts';
import { plan } from './commands/plan.ts';
import { run } from './commands/run.ts';
import { ssh } from './commands/ssh.ts';
import { sshConfig } from './commands/ssh-config.ts';
import { start } from './commands/start.ts';
import { up } from './commands/up.ts';
import { ps } from './commands/ps.ts';
import { rm } from './commands/rm.ts';
import { stop } from './commands/stop.ts';

/** Commands by their heading in the help, in the order of the help. */
const COMMAND_GROUPS: readonly { readonly heading: string; readonly commands: readonly CommandDef[] }[] = [
  { heading: 'Projects:', commands: [up, down, plan, init] },
  {
    heading: 'Single VMs:',
    commands: [run, create, start, stop, ssh, sshConfig, logs, ps, rm, commit, cp],
  },
  { heading: 'Images:', commands: [imageSearch, imagePull, imageUpdate, imageLs, imageRm, imagePrune] },
  { heading: 'Tools:', commands: [doctor, completion(() => COMMANDS)] },
];

/** All commands in the order of the help. */
export const COMMANDS: readonly CommandDef[] = COMMAND_GROUPS.flatMap(({ commands }) => commands);

/** A parsed command line: a command with its invocation, or help text. */
export type Parsed =
  | {
      readonly kind: 'command';
      readonly def: CommandDef;
      readonly invocation: Invocation;
      readonly verbose: number;
    }
  | { readonly kind: 'help'; readonly text: string };

/** Arguments, environment and working directory of the process. */
export interface CallerFacts {
  /** The arguments after the program's name. */
  readonly argv: readonly string[];
  readonly environment: Environment;
  readonly workingDirectory: string;
}

interface Chosen {
  readonly def: CommandDef;
  readonly operands: readonly string[];
  /** Operands beyond those the command takes. */
  readonly excess: readonly string[];
  readonly flags: RawFlags;
  readonly switches: Readonly<Record<string, unknown>>;
}

/** Parses a command line; everything after the first "--" is for QEMU. */
export function parseCommandLine(facts: CallerFacts): Result<Parsed> {
  const dashes = facts.argv.indexOf('--');
  const argv = dashes < 0 ? facts.argv : facts.argv.slice(0, dashes);
  const qemuArguments = dashes < 0 ? [] : facts.argv.slice(dashes + 1);
  const takesThem = COMMANDS.some(
    ({ name, takesQemuArguments }) => takesQemuArguments === true && argv.includes(name),
  );
  // for other commands "--" ends the flags, as usual
  const chosen = choose(takesThem ? argv : facts.argv);
  if (!chosen.ok) return chosen;
  if ('text' in chosen.value) return ok({ kind: 'help', text: chosen.value.text });
  const { def, operands, excess, flags, switches } = chosen.value;
  if (excess.length > 0) return failed(unrecognized(excess.join(' '), helpFor(def)));
  const layer = flagLayer(
    def.scope,
    flags,
    def.takesQemuArguments === true ? qemuArguments : [],
    facts.workingDirectory,
  );
  if (!layer.ok) return layer;
  const { environment, workingDirectory } = facts;
  const invocation = { operands, flags: layer.value, switches, environment, workingDirectory };
  return ok({ kind: 'command', def, invocation, verbose: layer.value.values.verbose ?? 0 });
}

function choose(argv: readonly string[]): Result<Chosen | { text: string }> {
  let chosen: Chosen | undefined;
  let printed = '';
  const print = (text: string): void => void (printed += text);
  const meant = meantIn(argv);
  const program = buildProgram(meant, (choice) => (chosen = choice), print);
  try {
    program.parse(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed') return ok({ text: printed });
    return failed(usageProblem(error, printed, meant?.def));
  }
  return chosen === undefined ? failed(usageProblem(undefined, printed, undefined)) : ok(chosen);
}

/** The command found by scanning the arguments before parsing. */
interface Meant {
  readonly def: CommandDef;
  /** Whether only flags precede it, so that it cannot be another one. */
  readonly isSure: boolean;
}

/** Finds the first command name among the arguments, skipping values of global flags. */
function meantIn(argv: readonly string[]): Meant | undefined {
  const words = argv.filter((_word, index) => !VALUED.includes(argv[index - 1] ?? ''));
  const places = COMMANDS.flatMap((def) => {
    const [first = '', second] = def.name.split(' ');
    const at = words.indexOf(first);
    return at >= 0 && (second === undefined || words[at + 1] === second) ? [{ def, at }] : [];
  });
  const [first] = places.toSorted((one, other) => one.at - other.at);
  return first && { def: first.def, isSure: words.slice(0, first.at).every((word) => word.startsWith('-')) };
}

/** Global flags that take a value. */
const VALUED = optionsIn('everywhere')
  .filter((name) => OPTION_TABLE[name].placeholder !== undefined)
  .map((name) => `--${name}`);

function buildProgram(
  meant: Meant | undefined,
  onChoice: (chosen: Chosen) => void,
  print: (text: string) => void,
): Command {
  const program = configured(new Command('transient'), print)
    .description('Short-lived QEMU virtual machines for testing and development.')
    .usage('[options] COMMAND')
    .enablePositionalOptions()
    .option('--version', 'print the version')
    .helpCommand(false);
  const globalFlags = addFlags(program, 'everywhere');
  // declaring only the given command is faster than declaring all of them
  for (const def of meant?.isSure === true ? [meant.def] : COMMANDS) {
    const { parent, name } = placeOf(def, program, print);
    const command = configured(parent.command(`${name} ${def.operands ?? ''}`), print).description(def.help);
    (parent === program ? command : parent).helpGroup(headingOf(def));
    if (meant !== undefined && def !== meant.def) continue;
    const flags = addFlags(command, def.scope);
    for (const commandSwitch of def.switches ?? []) command.addOption(optionOf(commandSwitch));
    if (def.takesQemuArguments === true)
      command.usage(`[options] ${def.operands ?? ''} [-- QEMU-ARGUMENT...]`);
    command.action(() => {
      const merged = joined(globalFlags(), flags());
      const { registeredArguments: operands } = command;
      const excess = operands.at(-1)?.variadic === true ? [] : command.args.slice(operands.length);
      onChoice({
        excess,
        def,
        operands: command.args,
        flags: merged,
        switches: switchesOf(command, def.switches ?? []),
      });
    });
  }
  return program;
}

/** Finds or creates the parent of a command; one of two words is a subcommand of a group. */
function placeOf(
  { name }: CommandDef,
  program: Command,
  print: (text: string) => void,
): { parent: Command; name: string } {
  const [group = '', member] = name.split(' ');
  if (member === undefined) return { parent: program, name };
  const existing = program.commands.find((command) => command.name() === group);
  const parent =
    existing ?? configured(program.command(group), print).description(`manage ${group}s`).helpCommand(false);
  return { parent, name: member };
}

function headingOf(def: CommandDef): string {
  return COMMAND_GROUPS.find(({ commands }) => commands.includes(def))?.heading ?? '';
}

function configured(command: Command, print: (text: string) => void): Command {
  return (
    command
      .exitOverride()
      // reported by ourselves with a better message
      .allowExcessArguments(true)
      .showSuggestionAfterError(true)
      .configureOutput({ writeOut: print, writeErr: print })
      .helpOption('-h, --help', 'show this help')
  );
}

/** Merges flags before and after the command's name: the latter win, and `-v` is counted. */
function joined(before: RawFlags, after: RawFlags): RawFlags {
  const verbose = Number(before.verbose ?? 0) + Number(after.verbose ?? 0);
  return { ...before, ...after, ...(verbose > 0 ? { verbose: Math.min(verbose, 2) } : {}) };
}

function optionOf({ flags, help, repeatable }: CommandSwitch): Option {
  const option = new Option(flags, repeatable === true ? `${help} (repeatable)` : help);
  return repeatable === true ? option.argParser(append) : option;
}

function switchesOf(command: Command, switches: readonly CommandSwitch[]): Record<string, unknown> {
  const typed = command.opts<Record<string, unknown>>();
  const options = switches.map(({ flags }) => new Option(flags));
  const given = options.filter((option) => option.attributeName() in typed);
  return Object.fromEntries(given.map((option) => [option.name(), typed[option.attributeName()]]));
}

/** Converts commander's error; scripts match "unrecognized arguments". */
function usageProblem(
  error: CommanderError | undefined,
  printed: string,
  meant: CommandDef | undefined,
): Problem {
  const message = error?.message.replace(/^error: /, '') ?? '';
  const suggestion = /\(Did you mean (?:one of )?(.*?)\?\)/s.exec(message)?.[1];
  const hint = suggestion === undefined ? helpFor(meant) : `did you mean ${suggestion}?`;
  const unknown = /^unknown option '(.*?)'/.exec(message)?.[1];
  switch (error?.code) {
    case 'commander.unknownOption':
      return unrecognized(unknown ?? message, meant?.refuses?.[unknown?.replace(/=.*/s, '') ?? ''] ?? hint);
    case 'commander.unknownCommand':
      return usage(`there is no command ${/'(.*?)'/.exec(message)?.[0] ?? ''}`, hint);
    case 'commander.help':
    case undefined:
      return { ...usage('missing command'), details: printed.trimEnd().split('\n') };
    default:
      return usage(message.split('\n')[0] ?? message, hint);
  }
}

function helpFor(meant: CommandDef | undefined): string {
  return `see transient ${meant === undefined ? '' : `${meant.name} `}--help`;
}

function unrecognized(what: string, hint?: string): Problem {
  return usage(`unrecognized arguments: ${what}`, hint);
}

function usage(message: string, hint?: string): Problem {
  return { reason: 'usage', message, where: { kind: 'flag', flag: '' }, ...(hint ? { hint } : {}) };
}
