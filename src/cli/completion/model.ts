import * as z from 'zod';
import type { OptionDef, Scope } from '../../options/option.ts';
import { OPTION_TABLE, optionsIn } from '../../options/table.ts';
import type { CommandDef, Completes, CommandSwitch } from '../command.ts';

/** Value of a flag or operand; without `of` it cannot be completed. */
export interface Value {
  readonly name: string;
  readonly of?: Completes;
}

/** A flag as declared to a shell. */
export interface Flag {
  /** Names including dashes, the long one last. */
  readonly names: readonly string[];
  readonly help: string;
  readonly value?: Value;
  readonly repeatable: boolean;
}

/** A completion state: a command, or a prefix of one (no word, or the first of two). */
export interface Stage {
  /** Words that lead to this stage. */
  readonly path: string;
  readonly flags: readonly Flag[];
  /** Words that lead to the next stage. */
  readonly next: readonly { readonly word: string; readonly help: string }[];
  readonly operands: readonly Value[];
  /** Whether the last operand is variadic. */
  readonly variadic: boolean;
}

const HELP: Flag = { names: ['-h', '--help'], help: 'show this help', repeatable: false };
const VERSION: Flag = { names: ['--version'], help: 'print the version', repeatable: false };

/** All completion stages; the first is the initial one. */
export function stagesOf(commands: readonly CommandDef[]): Stage[] {
  const groups = [...new Set(commands.flatMap(({ name }) => (name.includes(' ') ? [firstWord(name)] : [])))];
  const beginning: Stage = {
    ...leading(''),
    flags: [...optionFlags('everywhere'), VERSION, HELP],
    next: [
      ...commands.filter(({ name }) => !name.includes(' ')).map(({ name, help }) => ({ word: name, help })),
      ...groups.map((word) => ({ word, help: `manage ${word}s` })),
    ],
  };
  const inGroups = groups.map((group) => ({
    ...leading(group),
    flags: [HELP],
    next: commands
      .filter(({ name }) => name.startsWith(`${group} `))
      .map(({ name, help }) => ({ word: name.slice(group.length + 1), help })),
  }));
  return [beginning, ...inGroups, ...commands.map(stageOf)];
}

function leading(path: string): Omit<Stage, 'flags' | 'next'> {
  return { path, operands: [], variadic: false };
}

function firstWord(name: string): string {
  return name.split(' ')[0] ?? name;
}

function stageOf({ name, scope, switches = [], operands = '', completes = [] }: CommandDef): Stage {
  const names = operands.split(' ').filter(Boolean);
  return {
    path: name,
    flags: [...optionFlags(scope), ...switches.map(switchFlag), HELP],
    next: [],
    operands: names.map((one, index) => value(one.replaceAll(/[^\w-]/g, ''), completes[index])),
    variadic: operands.includes('...'),
  };
}

function optionFlags(scope: Scope): Flag[] {
  const names = optionsIn(scope).filter((name) => name !== 'qemu-args');
  return names.map((name) => {
    const def = OPTION_TABLE[name];
    return {
      names: [...(def.alias ? [def.alias] : []), `--${name}`],
      help: def.help,
      ...(def.placeholder === undefined ? {} : { value: value(def.placeholder, kindOf(def)) }),
      repeatable: def.merge === 'append' || def.counted === true,
    };
  });
}

function switchFlag({ flags, help, repeatable = false }: CommandSwitch): Flag {
  const [names = '', placeholder] = flags.split(/ <|>/);
  return {
    names: names.split(', '),
    help,
    ...(placeholder === undefined ? {} : { value: value(placeholder, PLACEHOLDERS[placeholder]) }),
    repeatable,
  };
}

/** Completions by the placeholder of a value in the help. */
const PLACEHOLDERS: Readonly<Record<string, Completes>> = {
  FILE: 'paths',
  DIR: 'paths',
  PATH: 'paths',
  'HOST:GUEST': 'paths',
  'HOST:/GUEST': 'paths',
  IMAGE: 'available',
};

function kindOf({ type, placeholder = '' }: OptionDef): Completes | undefined {
  const values = type();
  return values instanceof z.ZodEnum ? values.options.map(String) : PLACEHOLDERS[placeholder];
}

function value(name: string, of: Completes | undefined): Value {
  return of === undefined ? { name } : { name, of };
}
