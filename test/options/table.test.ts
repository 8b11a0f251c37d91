import { Command } from 'commander';
import { parse } from 'smol-toml';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { addFlags } from '../../src/options/flags.ts';
import type { Scope } from '../../src/options/option.ts';
import { shapeOf } from '../../src/options/schema.ts';
import { OPTION_NAMES, OPTION_TABLE, optionsIn, type OptionName } from '../../src/options/table.ts';

const COMMAND_SCOPES: readonly Scope[] = ['everywhere', 'run', 'up', 'plan'];

describe('the option table', () => {
  test('every option has a flag somewhere, but for the arguments of QEMU and what only a file says', () => {
    const withFlag = new Set(COMMAND_SCOPES.flatMap((scope) => flagsOf(scope).map(({ name }) => name)));
    expect(OPTION_NAMES.filter((name) => !withFlag.has(name))).toEqual([
      'ready-command',
      'ready-timeout',
      'qemu-args',
    ]);
  });

  test.for(COMMAND_SCOPES)('no flag of "%s" has two meanings', (scope) => {
    const flags = flagsOf(scope).flatMap(({ flags: all }) => all);
    expect(flags.filter((flag, index) => flags.indexOf(flag) !== index)).toEqual([]);
  });

  test.for(OPTION_NAMES)('%s: its example and its default are values of it', (name) => {
    const { example, merge, type, default: preset } = OPTION_TABLE[name];
    const written = merge === 'append' ? `[${example}]` : example;
    const shape = z
      .object(shapeOf(optionsIn('file')))
      .or(z.object(shapeOf(optionsIn('run'))))
      .or(z.object(shapeOf(optionsIn('everywhere'))));
    expect(shape.safeParse(parse(`${name} = ${written}`)).success).toBe(true);
    if (preset !== undefined) expect(type().safeParse(preset).success).toBe(true);
  });

  test.for(OPTION_NAMES)('%s: its help is one short line', (name) => {
    const { help } = OPTION_TABLE[name];
    expect(help).toMatch(/^\S[^\n]*[^.\s]$/);
    expect(help.length).toBeLessThan(120);
  });

  test('an alias is one letter with one dash, or a word with two', () => {
    const aliases = OPTION_NAMES.flatMap((name) => OPTION_TABLE[name].alias ?? []);
    for (const alias of aliases) expect(alias).toMatch(/^(-[a-z]|--[a-z-]{2,})$/);
  });

  test('a list has no default: it would precede what is set', () => {
    const lists = OPTION_NAMES.filter((name) => OPTION_TABLE[name].merge === 'append');
    expect(lists.filter((name) => OPTION_TABLE[name].default !== undefined)).toEqual([]);
  });

  test('what can be set everywhere can be set in every scope', () => {
    const everywhere = OPTION_NAMES.filter((name) => OPTION_TABLE[name].scopes.includes('everywhere'));
    for (const scope of COMMAND_SCOPES) expect(optionsIn(scope)).toEqual(expect.arrayContaining(everywhere));
  });
});

/** The flags that commander knows in a scope, by option. */
function flagsOf(scope: Scope): { name: OptionName; flags: string[] }[] {
  const command = new Command();
  addFlags(command, scope);
  return command.options.map(({ short, long }) => {
    const flags = [short, long].flatMap((flag) => flag ?? []);
    const name = OPTION_NAMES.find((one) => flags.includes(`--${one}`));
    if (name === undefined) throw new Error(`${flags.join(', ')} belongs to no option`);
    return { name, flags };
  });
}
