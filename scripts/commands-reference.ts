import { COMMANDS } from '../src/cli/program.ts';
import type { CommandDef, CommandSwitch } from '../src/cli/command.ts';
import type { OptionName } from '../src/options/table.ts';
import { OPTION_NAMES, OPTION_TABLE, optionsIn } from '../src/options/table.ts';
import { MADE, code, markdownTable, sentence } from './markdown.ts';

/** docs/commands.md: every command with what it takes, and every flag once. */
export function commandsReference(): string {
  return [
    MADE,
    '',
    '# Commands',
    '',
    '`transient COMMAND --help` prints the same for one command. Flags follow the name of a command; global ones may precede',
    'it. Everything after `--` is passed to QEMU unchanged. Results go to stdout, everything else to stderr. The',
    'exit code is that of the command in the guest; 2 for a bad command line; 1 for a bad file or any other failure; 130, 143',
    'and 129 after SIGINT, SIGTERM and SIGHUP.',
    '',
    ...COMMANDS.flatMap(section),
    '## Options of VMs',
    '',
    'Each is also a key of a VM table, without the dashes ([Transientfile](transientfile.md)), except those that only apply to',
    'one command line.',
    '',
    markdownTable([['flag', 'default', 'meaning', 'commands'], ...optionRows()]),
    '',
  ].join('\n');
}

function section(def: CommandDef): string[] {
  const { name, operands, help, switches = [], takesQemuArguments } = def;
  const usage = [
    'transient',
    name,
    operands,
    '[options]',
    takesQemuArguments === true ? '[-- QEMU-ARGUMENT...]' : '',
  ];
  return [
    `## ${name}`,
    '',
    '```text',
    usage.filter(Boolean).join(' '),
    '```',
    '',
    `${sentence(help)}.`,
    '',
    ...(switches.length === 0 ? [] : [markdownTable([['flag', 'meaning'], ...switches.map(switchRow)]), '']),
    ...optionsOf(def),
  ];
}

function switchRow({ flags, help, repeatable }: CommandSwitch): string[] {
  return [code(flags), repeatable === true ? `${help} (repeatable)` : help];
}

/** The options of VMs that a command takes; of those that most commands take, only that it does. */
function optionsOf({ scope }: CommandDef): string[] {
  const scoped = optionsIn(scope).filter((name) => !optionsIn('everywhere').includes(name));
  const names = scoped.filter((name) => name !== 'qemu-args');
  if (names.length === 0) return [];
  const [many, listed] = [names.length > 10, names.map((name) => code(`--${name}`)).join(', ')];
  const without = optionsIn('run')
    .filter((name) => !scoped.includes(name) && !optionsIn('everywhere').includes(name))
    .map((name) => code(`--${name}`));
  const all = `Takes the [options of VMs](#options-of-vms)${without.length > 0 ? ` but ${without.join(', ')}` : ''}.`;
  return [many ? all : `Takes ${listed} of the [options of VMs](#options-of-vms).`, ''];
}

function optionRows(): string[][] {
  return OPTION_NAMES.filter((name) => name !== 'qemu-args' && takenBy(name) !== '').map((name) => {
    const { alias, placeholder, help, merge } = OPTION_TABLE[name];
    const flags = [...(alias ? [alias] : []), `--${name}`].join(', ');
    return [
      code(placeholder ? `${flags} <${placeholder}>` : flags),
      defaultOf(name),
      merge === 'append' ? `${help} (repeatable)` : help,
      takenBy(name),
    ];
  });
}

/** A default as it would be typed. */
export function defaultOf(name: OptionName): string {
  const { default: standard } = OPTION_TABLE[name];
  return standard === undefined ? '' : code(JSON.stringify(standard).replaceAll('"', ''));
}

function takenBy(name: OptionName): string {
  if (OPTION_TABLE[name].scopes.includes('everywhere')) return 'all';
  return COMMANDS.filter(({ scope }) => optionsIn(scope).includes(name))
    .map((command) => command.name)
    .join(', ');
}
