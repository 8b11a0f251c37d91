import * as z from 'zod';
import { transientfileSchema } from '../src/config/transientfile-schema.ts';
import type { OptionName } from '../src/options/table.ts';
import { OPTION_TABLE, optionsIn } from '../src/options/table.ts';
import { defaultOf } from './commands-reference.ts';
import { MADE, code, markdownTable } from './markdown.ts';

/** docs/transientfile.md: every table and every key of a Transientfile. */
export function transientfileReference(): string {
  return [
    MADE,
    '',
    '# Transientfile.toml',
    '',
    'Searched in the working directory, then in its parents; `--file PATH` names another one. Paths in it are relative to',
    'it. The whole file is validated before anything is done, and all problems are reported at once.',
    '',
    '```toml',
    '#:schema ./Transientfile.schema.json',
    '[project]',
    'name = "shop"',
    '',
    '[defaults]',
    'image = "base"',
    'memory = "512M"',
    '',
    '[images.base]',
    'source = "file=./base.qcow2"',
    '',
    '[vms.db]',
    'ready-command = "pg_isready"',
    '',
    '[vms.web]',
    'depends-on = ["db"]',
    'copy-in-before = ["./app.conf:/etc/app.conf"]',
    'ssh-command = "/srv/run-tests"',
    '```',
    '',
    'The first line gives completion and checks in editors that know TOML by Taplo; `transient init` writes it, and the schema',
    'beside it. [`Transientfile.example.toml`](../Transientfile.example.toml) has every key with an example.',
    '',
    'Options are layered: built-in default, `[defaults]`, VM table, environment, flag. A later value replaces an earlier',
    'one; a later list is appended to an earlier one.',
    '',
    '`[defaults]` takes every key of a VM table. For a network or VM named in both lists the VM table takes precedence, and no',
    'VM waits for itself.',
    '',
    ...keysOf('`[project]`', ['project']),
    ...keysOf('`[images.NAME]`', ['images', '*']),
    ...keysOf('`[networks.NAME]`', ['networks', '*']),
    '## `[vms.NAME]` and `[defaults]`',
    '',
    markdownTable([['key', 'meaning'], ...structureOfVm()]),
    '',
    '### Options',
    '',
    'Underscores are read as hyphens.',
    '',
    markdownTable([['key', 'default', 'meaning', 'example'], ...optionRows()]),
    '',
  ].join('\n');
}

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
}

const SCHEMA = z.toJSONSchema(transientfileSchema(), { io: 'input' }) as Schema;

function keysOf(title: string, path: readonly string[]): string[] {
  const schema = path.reduce<Schema>(
    (at, key) => (key === '*' ? at.additionalProperties : at.properties?.[key]) ?? {},
    SCHEMA,
  );
  const rows = Object.entries(schema.properties ?? {}).map(([key, { description = '' }]) => [
    code(key),
    description,
  ]);
  return [`## ${title}`, '', markdownTable([['key', 'meaning'], ...rows]), ''];
}

/** The keys of a VM table that are no options. */
function structureOfVm(): string[][] {
  const keys = SCHEMA.properties?.['vms']?.additionalProperties?.properties ?? {};
  const options: readonly string[] = optionsIn('file');
  return Object.entries(keys)
    .filter(([key]) => !options.includes(key))
    .map(([key, { description = '' }]) => [code(key), description]);
}

function optionRows(): string[][] {
  return optionsIn('file').map((name: OptionName) => {
    const { help, merge, example } = OPTION_TABLE[name];
    return [code(name), defaultOf(name), help, code(merge === 'append' ? `[${example}]` : example)];
  });
}
