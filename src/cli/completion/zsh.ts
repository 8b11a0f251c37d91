import type { Flag, Stage, Value } from './model.ts';

/** The completion script for zsh: to be sourced, or as a file `_transient` in the function path. */
export function zshScript(stages: readonly Stage[]): string {
  const [beginning, ...others] = stages;
  return `#compdef transient
# Completion of transient for zsh, as "transient completion zsh" prints it.

_transient_names() { # [option of compadd…] kind
  local -a names
  names=(\${(f)"$(command transient __complete $@[-1] 2>/dev/null)"})
  compadd "\${@[1,-2]}" -a names
}

_transient_stage() { # command
  local context state state_descr line curcontext="$curcontext"
  typeset -A opt_args
  case $1 in
${others.map((stage) => stageCase(stage, stage.path)).join('\n')}
${beginning === undefined ? '' : stageCase(beginning, '')}
  esac
}

_transient() {
  _transient_stage ''
}

if [[ $funcstack[1] == _transient ]]; then
  _transient
else
  compdef _transient transient
fi
`;
}

function stageCase(stage: Stage, pattern: string): string {
  const options = stage.next.length > 0 ? '-C -s -S' : '-s -S';
  const specs = [...stage.flags.flatMap(flagSpecs), ...placeSpecs(stage)];
  const call = `      _arguments ${options} \\\n${specs.map((spec) => `        ${quoted(spec)}`).join(' \\\n')}`;
  return `    ${quoted(pattern)})\n${call}${stage.next.length > 0 ? further(stage) : ''}\n      ;;`;
}

function further({ path, next }: Stage): string {
  const words = next.map(({ word, help }) => quoted(`${word}:${help}`)).join('\n          ');
  const place = path === '' ? '$words[1]' : `${path} $words[1]`;
  return `
      case $state in
        command)
          local -a commands=(
          ${words}
          )
          _describe command commands
          ;;
        rest) _transient_stage "${place}" ;;
      esac`;
}

function placeSpecs({ next, operands, variadic }: Stage): string[] {
  if (next.length > 0) return ['1: :->command', '*:: :->rest'];
  return operands.map((operand, index) => {
    const place = variadic && index === operands.length - 1 ? '*' : String(index + 1);
    return `${place}:${valueSpec(operand)}`;
  });
}

/** Specs of a flag, one for each name, which exclude one another. */
function flagSpecs({ names, help, value, repeatable }: Flag): string[] {
  const others = repeatable ? '*' : `(${names.join(' ')})`;
  return names.map((name) => {
    const joint = value === undefined ? '' : name.startsWith('--') ? '=' : '+';
    return `${others}${name}${joint}[${escaped(help)}]${value === undefined ? '' : `:${valueSpec(value)}`}`;
  });
}

function valueSpec({ name, of }: Value): string {
  return `${escaped(name)}:${actionOf(of)}`;
}

function actionOf(of: Value['of']): string {
  if (of === undefined) return ' ';
  if (of === 'paths') return '_files';
  return typeof of === 'string' ? `_transient_names ${of}` : `(${of.join(' ')})`;
}

/** Escapes text inside a spec. */
function escaped(text: string): string {
  return text.replaceAll(/[\\[\]:]/g, '\\$&');
}

function quoted(text: string): string {
  return `'${text.replaceAll(`'`, `'\\''`)}'`;
}
