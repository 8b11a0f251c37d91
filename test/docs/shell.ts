import { parse } from 'shell-quote';

/** The command lines of a shell script, each as its words; what a shell would put into them stays as it is written. */
export function commandLines(script: string): string[][] {
  return logicalLines(script).flatMap(commandsOf);
}

/** Lines with those that go on joined: by a backslash, or because a quote is open. */
function logicalLines(script: string): string[] {
  const lines: string[] = [];
  let open = '';
  for (const line of script.replaceAll('\\\n', ' ').split('\n')) {
    open = open === '' ? line : `${open}\n${line}`;
    if (isWhole(open)) lines.push(open);
    if (isWhole(open)) open = '';
  }
  return lines;
}

/** Whether all quotes are closed; comments may have any. */
function isWhole(line: string): boolean {
  const bare = line.replaceAll(/'[^']*'|"(?:[^"\\]|\\.)*"/g, '').replace(/(^|\s)#.*/s, '');
  return !/['"]/.test(bare);
}

function commandsOf(line: string): string[][] {
  const commands: string[][] = [[]];
  for (const token of parse(line, (name) => `$${name}`)) {
    if (typeof token === 'string') commands.at(-1)?.push(token);
    else if ('pattern' in token) commands.at(-1)?.push(token.pattern);
    else if ('op' in token) commands.push([]);
  }
  return commands.map(withoutAssignments).filter((words) => words.length > 0);
}

function withoutAssignments(words: readonly string[]): string[] {
  const first = words.findIndex((word) => !/^\w+=/.test(word));
  return first < 0 ? [] : words.slice(first);
}
