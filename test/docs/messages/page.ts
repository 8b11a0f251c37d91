import type { Provoked, Topic } from './scenario.ts';

const INTRO = `# Troubleshooting by message

All messages of \`transient\`, and what to do about them. Search this page for the text of your message; words in capitals
are placeholders.

A message says what is wrong, where (a line of a file, a VM, a variable), and, after \`hint:\`, what would be right. An
_error_ ends the run in order: everything acquired is released, and copies out are still made. A _warning_ does not.
Indented lines below a message are the output of another program, or the end of the guest's serial output. \`-v\` before or
after the command prints each program that is run with its arguments, \`-vv\` also QMP and ssh traffic.

The exit code is 2 for a bad command line, 1 for any other failure, that of the guest command if that failed, and 130, 143 or
129 after SIGINT, SIGTERM or SIGHUP.

A message that begins with \`internal error\` is a bug in \`transient\`: please report it together with the output of \`-vv\`.

A test provokes each message with stand-ins for QEMU, guests and servers, and generates this page. Progress output is
omitted.`;

/** A topic with the problems printed in each of its scenarios. */
export interface ProvokedTopic {
  readonly topic: Topic;
  readonly provoked: readonly Provoked[];
}

/** The page, as Markdown. */
export function pageOf(topics: readonly ProvokedTopic[]): string {
  const contents = topics.map(({ topic: { title } }) => `- [${title}](#${anchorOf(title)})`).join('\n');
  return `${[INTRO, contents, ...topics.map(sectionOf)].join('\n\n')}\n`;
}

function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

function sectionOf({ topic: { title, intro }, provoked }: ProvokedTopic): string {
  const entries = provoked.map((one, index) => {
    const isNew = provoked[index - 1]?.scenario.form !== one.scenario.form;
    return [...(isNew ? [`### \`${one.scenario.form}\``] : []), ...entryOf(one)].join('\n\n');
  });
  return [`## ${title}`, ...(intro === undefined ? [] : [wrapped(intro)]), ...entries].join('\n\n');
}

function entryOf({ scenario, problems, exitCode }: Provoked): string[] {
  const { when, files = {}, typed, advice } = scenario;
  return [
    ...(when === undefined ? [] : [wrapped(when)]),
    ...Object.entries(files).map(
      ([name, text]) => `\`${name}\`:\n\n${block(languageOf(name, problems), text)}`,
    ),
    block('sh', typed.join('\n')),
    block('text', problems.join('\n')),
    wrapped([`Exit code ${exitCode ?? 'unknown'}.`, ...(advice === undefined ? [] : [advice])].join(' ')),
  ];
}

function block(language: string, text: string): string {
  return `\`\`\`${language}\n${text.trimEnd()}\n\`\`\``;
}

/** A file that a problem is about is shown as text, as is one of the catalogue: nobody is to take it for an example. */
function languageOf(name: string, problems: readonly string[]): string {
  if (name.endsWith('.sh')) return 'sh';
  if (name.includes('/catalog/')) return 'text';
  return problems.some((problem) => problem.startsWith(name)) ? 'text' : 'toml';
}

const WIDTH = 119;

/** Prose in lines that are not too long. */
function wrapped(text: string): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last === '') lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}
