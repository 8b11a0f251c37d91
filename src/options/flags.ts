import type { Command } from 'commander';
import { Option } from 'commander';
import * as z from 'zod';
import type { KeyPath, Problem, Result } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import { problemsOf } from './issues.ts';
import type { Layer } from './layer.ts';
import type { OptionDef, Scope } from './option.ts';
import { optionValues, shapeOf } from './schema.ts';
import type { OptionName } from './table.ts';
import { OPTION_TABLE, optionsIn } from './table.ts';

/** Flags collected by commander: option names of the table with their unparsed text. */
export type RawFlags = Readonly<Partial<Record<OptionName, unknown>>>;

/** Declares the flags of a scope on a command; the returned function reads their values after parsing. */
export function addFlags(command: Command, scope: Scope): () => RawFlags {
  const flags = optionsIn(scope).filter((name) => name !== 'qemu-args');
  const declared = flags.map((name) => ({ name, option: commanderOption(name) }));
  const counts = new Map<OptionName, number>();
  for (const { name, option } of declared) {
    command.addOption(option);
    if (OPTION_TABLE[name].counted === true) {
      command.on(`option:${name}`, () => counts.set(name, (counts.get(name) ?? 0) + 1));
    }
  }
  return () => {
    const typed = command.opts<Record<string, unknown>>();
    const values = declared.map(({ name, option }) => [
      name,
      counts.get(name) ?? typed[option.attributeName()],
    ]);
    return Object.fromEntries(values.filter(([, value]) => value !== undefined)) as RawFlags;
  };
}

function commanderOption(name: OptionName): Option {
  const def = OPTION_TABLE[name];
  const flags = [...(def.alias ? [def.alias] : []), `--${name}`].join(', ');
  const created = new Option(def.placeholder ? `${flags} <${def.placeholder}>` : flags, helpOf(def));
  // commander reads --no-x as "x is false"; in the table it is an option of its own
  created.negate = false;
  return def.merge === 'append' ? created.argParser(append) : created;
}

function helpOf(def: OptionDef): string {
  const shown =
    def.default === undefined || def.placeholder === undefined
      ? ''
      : ` [default: ${def.default as string | number}]`;
  return `${def.help}${shown}${def.merge === 'append' ? ' (repeatable)' : ''}`;
}

/** Argument parser for commander that collects repeated values in a list. */
export function append(text: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), text];
}

/** Validates the flags of a scope and returns them as a layer; `base` is the working directory. */
export function flagLayer(
  scope: Scope,
  raw: RawFlags,
  qemuArgs: readonly string[],
  base: string,
): Result<Layer> {
  const checked = checkedFlags(scope, raw);
  if (!checked.ok) return checked;
  const given = checked.value;
  return ok({
    values: qemuArgs.length > 0 ? { ...given, 'qemu-args': qemuArgs } : given,
    where: (name) => ({ kind: 'flag', flag: name === 'qemu-args' ? '--' : `--${name}` }),
    base,
  });
}

function checkedFlags(scope: Scope, raw: RawFlags): Result<Layer['values']> {
  const typed = Object.entries(raw);
  // avoids building the schema when there is nothing to check
  if (typed.length === 0) return ok({});
  const values = Object.fromEntries(
    typed.map(([name, value]) => [name, fromText(OPTION_TABLE[name as OptionName], value)]),
  );
  const schema = z.strictObject(shapeOf(optionsIn(scope).filter((name) => name in raw)));
  const checked = schema.safeParse(values, { reportInput: true });
  return checked.success ? ok(optionValues(checked.data)) : failed(...flagProblems(checked.error, values));
}

/** Converts a flag's text to the TOML value it stands for: a number or boolean, unless the option accepts the text itself. */
function fromText(def: OptionDef, value: unknown): unknown {
  if (typeof value !== 'string' || !/^(-?(0|[1-9]\d*)(\.\d+)?|true|false)$/.test(value)) return value;
  return def.type().safeParse(value).success ? value : (JSON.parse(value) as unknown);
}

function flagProblems(error: z.ZodError, values: Readonly<Record<string, unknown>>): Problem[] {
  // identifies which occurrence of a repeated flag is wrong
  const valueAt = ([name, index]: KeyPath): string => {
    const value = values[String(name)];
    return Array.isArray(value) && typeof index === 'number' ? ` ${JSON.stringify(value[index])}` : '';
  };
  return problemsOf(error, {
    name: (path) => `--${String(path[0])}${valueAt(path)}`,
    where: ([name]) => ({ kind: 'flag', flag: `--${String(name)}` }),
    keys: () => [],
  });
}
