import type { Flag, Stage, Value } from './model.ts';

/** The completion script for fish. */
export function fishScript(stages: readonly Stage[]): string {
  const commands = stages.filter(({ next }) => next.length === 0);
  const groups = stages.map(({ path, next }) => ({ path, next })).filter(({ next }) => next.length > 0);
  return `# Completion of transient for fish, as "transient completion fish" prints it.

function __transient_names # kind
    command transient __complete $argv[1] 2>/dev/null
end

# The flags of a command that take a value.
function __transient_takes # command
    switch $argv[1]
${stages.map(takesCase).join('\n')}
    end
end

# The command that is typed, "-" before there is one, and how many operands follow it; nothing after "--".
function __transient_place
    set -l words (commandline -opc)
    set -l place -
    set -l takes (__transient_takes '')
    set -l operands 0
    set -l awaited no
    for word in $words[2..-1]
        if test $awaited = yes
            set awaited no
        else if test "$word" = --
            return
        else if string match -q -- '-*' "$word"
            contains -- "$word" $takes; and set awaited yes
        else if contains -- "$place" ${groups.map(({ path }) => placeWord(path)).join(' ')}
            set place (string replace -r -- '^- ' '' "$place $word")
            set takes (__transient_takes "$place")
        else
            set operands (math $operands + 1)
        end
    end
    echo $place
    echo $operands
end

function __transient_at # commands
    set -l place (__transient_place)
    contains -- "$place[1]" $argv
end

function __transient_operand # command, how many operands are before it, or "more"
    set -l place (__transient_place)
    test "$place[1]" = "$argv[1]"; and test "$argv[2]" = more -o "$place[2]" = "$argv[2]"
end

complete -c transient -f
${groups.flatMap(({ path, next }) => next.map((one) => wordLine(path, one))).join('\n')}
${flagLines(stages).join('\n')}
${commands.flatMap(operandLines).join('\n')}
`;
}

function placeWord(path: string): string {
  return quoted(path === '' ? '-' : path);
}

function takesCase({ path, flags }: Stage): string {
  const names = flags.flatMap((flag) => (flag.value === undefined ? [] : flag.names));
  return `        case '${path}'\n            printf '%s\\n' ${names.join(' ')}`;
}

function wordLine(path: string, { word, help }: Stage['next'][number]): string {
  return `complete -c transient -n ${quoted(`__transient_at ${placeWord(path)}`)} -a ${word} -d ${quoted(help)}`;
}

/** Declares a flag shared by several commands only once. */
function flagLines(stages: readonly Stage[]): string[] {
  const places = new Map<string, string[]>();
  for (const { path, flags } of stages) {
    for (const flag of flags) {
      const text = flagText(flag);
      places.set(text, [...(places.get(text) ?? []), placeWord(path)]);
    }
  }
  return [...places].map(
    ([text, at]) => `complete -c transient -n ${quoted(`__transient_at ${at.join(' ')}`)} ${text}`,
  );
}

function flagText({ names, help, value }: Flag): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  return [...flags, ...(value === undefined ? [] : [valueText(value)]), `-d ${quoted(help)}`].join(' ');
}

function valueText({ of }: Value): string {
  return of === 'paths' ? '-r -F' : ['-x', ...offer(of)].join(' ');
}

function operandLines({ path, operands, variadic }: Stage): string[] {
  return operands.flatMap(({ of }, index) => {
    if (of === undefined) return [];
    const number = variadic && index === operands.length - 1 ? 'more' : String(index);
    const condition = quoted(`__transient_operand ${placeWord(path)} ${number}`);
    return [`complete -c transient -n ${condition} ${of === 'paths' ? '-F' : offer(of).join(' ')}`];
  });
}

function offer(of: Value['of']): string[] {
  if (of === undefined) return [];
  return ['-a', quoted(typeof of === 'string' ? `(__transient_names ${of})` : of.join(' '))];
}

function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '\\$&')}'`;
}
