import type { Completes } from '../command.ts';
import type { Stage, Value } from './model.ts';

/** The completion script for bash, from version 4 on; it needs no other package. */
export function bashScript(stages: readonly Stage[]): string {
  return `# Completion of transient for bash, as "transient completion bash" prints it.

# Sets what can follow a command: its flags, the values they take, further words, operands.
_transient_stage() {
  flags='' values=' ' next='' operands=()
  case $1 in
${stages.map(stageCase).join('\n')}
    *) return 1 ;;
  esac
}
${SCRIPT}`;
}

function stageCase({ path, flags, next, operands, variadic }: Stage): string {
  const values = flags.flatMap(({ names, value }) =>
    value === undefined ? [] : names.map((name) => `${name}=${kindWord(value.of)}`),
  );
  const kinds = operands.map(({ of }, index) => {
    const more = variadic && index === operands.length - 1 ? '...' : '';
    return `'${kindWord(of)}${more}'`;
  });
  return `    '${path}')
      flags='${flags.flatMap(({ names }) => names).join(' ')}'
      values=' ${values.join(' ')} '
      next='${next.map(({ word }) => word).join(' ')}'
      operands=(${kinds.join(' ')})
      ;;`;
}

/** Encodes completions for the script: `@names`, or comma-separated words. */
function kindWord(of: Value['of']): string {
  return of === undefined || isWords(of) ? (of ?? []).join(',') : `@${of}`;
}

function isWords(of: Completes): of is readonly string[] {
  return typeof of !== 'string';
}

const SCRIPT = `
# Adds what a kind offers and what begins as it was typed.
_transient_offer() { # kind, typed, what stands before it in the same word
  local kind=$1 typed=$2 before=$3 name quoted
  local -a offered=()
  case $kind in
    '') ;;
    @paths)
      compopt -o filenames 2>/dev/null
      mapfile -t offered < <(compgen -f -- "$typed")
      ;;
    @*)
      while IFS= read -r name; do
        # a name is text and nothing to be expanded
        printf -v quoted %q "$name"
        offered+=("$quoted")
      done < <(command transient __complete "\${kind#@}" 2>/dev/null)
      ;;
    *) IFS=' ,' read -ra offered <<<"$kind" ;;
  esac
  for name in "\${offered[@]}"; do
    [[ $name != "$typed"* ]] || { name=$before$name; COMPREPLY+=("\${name#"$head"}"); }
  done
}

_transient() {
  local flags values next piece word kind='' path='' glued='' awaited='' current head
  local -a operands words=()
  local -i count=0
  COMPREPLY=()
  # readline cuts words at ":" and "=", which are parts of ours
  for piece in "\${COMP_WORDS[@]:1:COMP_CWORD}"; do
    if [[ -n $piece && $piece != *[!:=]* && \${#words[@]} -gt 0 ]]; then
      words[-1]+=$piece glued=yes
    elif [[ -n $piece && -n $glued ]]; then
      words[-1]+=$piece glued=''
    else
      words+=("$piece") glued=''
    fi
  done
  current=\${words[-1]}
  unset 'words[-1]'
  # what readline takes to be there already
  piece=\${COMP_WORDS[COMP_CWORD]}
  [[ $piece == *[!:=]* ]] || piece=''
  head=\${current%"$piece"}

  _transient_stage ''
  for word in "\${words[@]}"; do
    if [[ -n $awaited ]]; then
      awaited=''
    elif [[ $word == -- ]]; then
      return
    elif [[ $word == -* ]]; then
      [[ $values != *" $word="* ]] || { awaited=yes kind=\${values#*" $word="}; kind=\${kind%% *}; }
    elif [[ -n $next ]]; then
      path+=\${path:+ }$word
      _transient_stage "$path" || return
    else
      count+=1
    fi
  done

  if [[ -n $awaited ]]; then
    _transient_offer "$kind" "$current" ''
  elif [[ $current == --*=* ]]; then
    word=\${current%%=*}
    [[ $values == *" $word="* ]] || return
    kind=\${values#*" $word="}
    _transient_offer "\${kind%% *}" "\${current#*=}" "$word="
  elif [[ $current == -* ]]; then
    _transient_offer "$flags" "$current" ''
  elif [[ -n $next ]]; then
    _transient_offer "$next" "$current" ''
  else
    kind=\${operands[count]-}
    [[ -n $kind || \${operands[*]} != *... ]] || kind=\${operands[-1]}
    _transient_offer "\${kind%...}" "$current" ''
  fi
}

complete -F _transient transient
`;
