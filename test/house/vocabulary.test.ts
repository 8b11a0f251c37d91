import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { KEPT_NAMES, PRIVATE, VAGUE } from './vocabulary.ts';

/** Longest file of src/, in lines. */
const MOST_LINES = 350;

interface SourceFile {
  readonly path: string;
  readonly text: string;
}

function sources(...folders: readonly string[]): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => ({ path, text: readFileSync(path, 'utf8') })),
  );
}

/** The identifiers of a file as TypeScript's scanner finds them, with their lines. */
function identifiers({ path, text }: SourceFile): { readonly name: string; readonly place: string }[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found: { name: string; place: string }[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) {
      const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
      found.push({ name: node.text, place: `${path}:${line + 1}` });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

describe('identifiers', () => {
  const words = { ...VAGUE, ...PRIVATE };
  const found = sources('src', 'test', 'scripts')
    .filter(({ path }) => !path.startsWith('test/house/'))
    .flatMap(identifiers);

  test.each(Object.entries(words))('%s is none: %s', (word) => {
    const places = found.filter(({ name }) => name === word).map(({ place }) => place);
    expect([...new Set(places)]).toEqual([]);
  });
});

describe('src/', () => {
  const files = sources('src');

  test('no doc comment begins with "What"', () => {
    const places = files.flatMap(({ path, text }) =>
      [...text.matchAll(/\/\*\*\s*(?:\*\s*)?What(?:ever)?\b/g)].map(
        ({ index }) => `${path}:${text.slice(0, index).split('\n').length}`,
      ),
    );
    expect(places).toEqual([]);
  });

  test('no file is named by a verb or a participle', () => {
    const names = files.map(({ path }) => relative('src', path)).filter((path) => /(ing|ed)\.ts$/.test(path));
    expect(names.filter((path) => !(path in KEPT_NAMES))).toEqual([]);
    expect(Object.keys(KEPT_NAMES).filter((path) => !names.includes(path))).toEqual([]);
  });

  test(`no file is longer than ${MOST_LINES} lines`, () => {
    const long = files.filter(({ text }) => text.split('\n').length - 1 > MOST_LINES);
    expect(long.map(({ path }) => path)).toEqual([]);
  });

  test('an exported type has a name of its own', () => {
    const names = files.flatMap(({ path, text }) =>
      [...text.matchAll(/^export (?:interface|type|class) (\w+)/gm)].map(([, name = '']) => ({ name, path })),
    );
    const shared = names.filter(({ name }) => names.filter((other) => other.name === name).length > 1);
    expect(shared.map(({ name, path }) => `${name} in ${path}`)).toEqual([]);
  });
});
