import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { checkDistribution } from '../../src/catalog/distribution.ts';
import { COMMANDS, parseCommandLine } from '../../src/cli/program.ts';
import { parseDocument } from '../../src/config/document.ts';
import { checkTransientfile } from '../../src/config/transientfile.ts';
import { OPTION_NAMES } from '../../src/options/table.ts';
import type { Result } from '../../src/problem.ts';
import { anchors, codeBlocks, links, pages } from './markdown.ts';
import { commandLines } from './shell.ts';

const scripts = Object.keys(
  (JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }).scripts,
);

/** Problem with a command line on a page, if any. */
function problemWith(words: readonly string[]): string | undefined {
  const [program = '', ...args] = words;
  if (program === 'transient') return refusal(args);
  if (program.startsWith('scripts/')) return existsSync(program) ? undefined : 'there is no such script';
  if (program === 'npm' && args[0] === 'run')
    return scripts.includes(args[1] ?? '') ? undefined : 'package.json has no such script';
  return undefined;
}

function refusal(argv: readonly string[]): string | undefined {
  const parsed = parseCommandLine({ argv, environment: {}, workingDirectory: '/project' });
  return parsed.ok ? undefined : parsed.problems.map(({ message }) => message).join('; ');
}

/** Checks a block of TOML as a file of the catalogue, if its first line names one, and else as a Transientfile. */
function checkedFile(text: string, page: string): Result<unknown> {
  const isOfUser = text.startsWith('# ~/.config/transient/');
  const document = parseDocument(isOfUser ? text : wholeFile(text), page);
  if (!document.ok || text.startsWith('# ~/.config/transient/config.toml')) return document;
  return isOfUser ? checkDistribution(document.value) : checkTransientfile(document.value, '/project');
}

/** A fragment as a whole Transientfile: keys are those of a VM, and a file has at least one VM. */
function wholeFile(text: string): string {
  const complete = text.replaceAll('"…"', `"${'0123456789abcdef'.repeat(4)}"`);
  const isKeys = !/^\[/m.test(complete);
  if (isKeys) return `[vms.fragment]\n${/^image =/m.test(complete) ? '' : 'image = "base"\n'}${complete}`;
  return /^\[vms[.\]]/m.test(complete) ? complete : `${complete}\n[vms.fragment]\nimage = "base"\n`;
}

describe.each(pages())('%s', (page) => {
  const markdown = readFileSync(page, 'utf8');
  const blocks = codeBlocks(markdown);

  it('shows command lines that are understood', () => {
    // what is wrong with each of these is what that page is about
    if (page === 'docs/messages.md') return;
    const lines = blocks
      .filter(({ language }) => language === 'sh')
      .flatMap(({ text, line }) => commandLines(text).map((words) => ({ words, line })));
    const wrong = lines.flatMap(({ words, line }) => {
      const problem = problemWith(words);
      return problem === undefined ? [] : [`line ${line}: ${words.join(' ')}: ${problem}`];
    });
    expect(wrong).toEqual([]);
  });

  it('shows Transientfiles that are good', () => {
    const wrong = blocks
      .filter(({ language }) => language === 'toml')
      .flatMap(({ text, line }) => {
        const checked = checkedFile(text, page);
        return checked.ok ? [] : checked.problems.map(({ message }) => `line ${line}: ${message}`);
      });
    expect(wrong).toEqual([]);
  });

  it('leads where there is something', () => {
    const dead = links(markdown).filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      if (!existsSync(target)) return true;
      return anchor !== undefined && !anchors(readFileSync(target, 'utf8')).has(anchor);
    });
    expect(dead).toEqual([]);
  });

  it('names flags that there are', () => {
    // pages about other programs name theirs
    if (/from-|comparison|messages/.test(page)) return;
    const named = [...markdown.matchAll(/`(--[a-z][a-z-]+)[^`]*`/g)].map(([, flag = '']) => flag);
    expect(named.filter((flag) => !FLAGS.has(flag))).toEqual([]);
  });
});

/** Flags of ours, and of the scripts of this repository. */
const FLAGS = new Set([
  ...OPTION_NAMES.map((name) => `--${name}`),
  ...['--ssh', '--sshs', '--cmd', '--help', '--version'],
  ...COMMANDS.flatMap(({ switches = [] }) =>
    switches.flatMap(({ flags }) => /--[\w-]+/.exec(flags)?.[0] ?? []),
  ),
  ...['--docs', '--only', '--pairs'],
]);

describe('a check that cannot fail is none', () => {
  it.each([
    ['transient up --jbos 2', 'unrecognized arguments'],
    ['transient rnu base', 'there is no command'],
    ['FOO=1 transient ps --nope | cat', 'unrecognized arguments'],
    ['scripts/none', 'no such script'],
    ['npm run none', 'no such script'],
  ])('%s is refused', (line, problem) => {
    expect(commandLines(line).map(problemWith).join()).toContain(problem);
  });
});

describe.each(['github-actions.yml', 'gitlab-ci.yml', 'run'])('examples/ci/%s', (name) => {
  const text = readFileSync(join('examples/ci', name), 'utf8');

  it('has command lines that are understood', () => {
    const runs = commandLines(name === 'run' ? text : scriptsIn(parse(text))).map((words) =>
      words[0] === 'exec' ? words.slice(1) : words,
    );
    expect(runs.some(([program, command]) => program === 'transient' && command === 'up')).toBe(true);
    expect(runs.flatMap((words) => problemWith(words) ?? [])).toEqual([]);
  });
});

/** The texts of a document that a shell can read: those with expressions of a CI are none of them. */
function scriptsIn(value: unknown): string {
  return stringsIn(value)
    .filter((text) => !text.includes('${{'))
    .join('\n');
}

function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsIn) : [];
}
