import type { Provoked, Topic } from './scenario.ts';

const INTRO = `# Troubleshooting by message

What \`transient\` says when something is wrong, and what to do about it. Search this page for the words of your message;
words in capitals stand for what differs from case to case.

A message says what is wrong, where (the line of a file, the VM, the variable), and, after \`hint:\`, what would be right.
An _error_ ends the run in order: what was begun is given back, copies out are made all the same. A _warning_ does not.
Lines that are indented under a message are what another program said, or the end of the guest's serial output. \`-v\`
before or after the command shows each program that is run with its arguments, \`-vv\` also what is said to QEMU and ssh.

The exit code is 2 for a command line that cannot be, 1 for anything else that failed, the guest command's own where that
failed, and 130, 143 or 129 after SIGINT, SIGTERM or SIGHUP.

A message that begins with \`internal error\` is a fault of \`transient\` itself: please report it, with what \`-vv\` prints.

Everything below was said by \`transient\`: a test provokes each message, with stand-ins for QEMU, guests and servers, and
writes this page. Lines of progress are left out.`;

/** A topic with what was said in each of its scenarios. */
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

/** A file that a problem is about is shown as text: nobody is to take it for an example. */
function languageOf(name: string, problems: readonly string[]): string {
  if (name.endsWith('.sh')) return 'sh';
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
