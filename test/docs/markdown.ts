import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A piece of code that a page shows. */
export interface CodeBlock {
  readonly language: string;
  /** The file that it is, where the page says so: `toml file=NAME`. */
  readonly file?: string;
  readonly text: string;
  readonly line: number;
}

/** The pages that people read, by their paths from the root of the repository. */
export function pages(): string[] {
  const examples = readdirSync('examples').map((name) => join('examples', name, 'README.md'));
  const docs = readdirSync('docs').flatMap((name) => (name.endsWith('.md') ? [join('docs', name)] : []));
  return ['README.md', 'CONTRIBUTING.md', ...docs, ...examples.filter(pathExists)];
}

function pathExists(path: string): boolean {
  try {
    return readFileSync(path).length > 0;
  } catch {
    return false;
  }
}

export function codeBlocks(markdown: string): CodeBlock[] {
  const found = markdown.matchAll(/^```(\w+)(?: file=(\S+))?\n(.*?)^```$/gms);
  return [...found].map(({ 1: language = '', 2: file, 3: text = '', index }) => ({
    language,
    ...(file === undefined ? {} : { file }),
    text,
    line: markdown.slice(0, index).split('\n').length,
  }));
}

/** Where links lead, without those to the web. */
export function links(markdown: string): string[] {
  const found = withoutCode(markdown).matchAll(/\]\(([^)\s]+)\)/g);
  return [...found].flatMap(({ 1: target = '' }) => (/^https?:/.test(target) ? [] : [target]));
}

/** The names by which the headings of a page are reached, as GitHub gives them. */
export function anchors(markdown: string): Set<string> {
  const headings = [...withoutCode(markdown).matchAll(/^#+ (.*)$/gm)].map(({ 1: title = '' }) => slug(title));
  const seen = new Map<string, number>();
  return new Set(
    headings.map((name) => {
      const count = seen.get(name) ?? 0;
      seen.set(name, count + 1);
      return count === 0 ? name : `${name}-${count}`;
    }),
  );
}

function slug(title: string): string {
  return title
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M}\p{Pc} -]/gu, '')
    .replaceAll(' ', '-');
}

function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^```.*?^```$/gms, '');
}
