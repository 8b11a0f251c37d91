import type { AST } from 'toml-eslint-parser';
import type { KeyPath, Position, Problem, Where } from '../problem.ts';
import type { Document } from './document.ts';
import { DEEPEST } from './spelling.ts';

/** The place of a key path in a document, without its position. */
export function inFile(document: Document, path: KeyPath, on: 'key' | 'value'): Where {
  return { kind: 'file', file: document.file, path, on };
}

/**
 * Adds line and column to each problem of a document. The positions come from a second, slower parser that is only
 * loaded here, so that a file without problems does not pay for it.
 */
export async function placed(problems: readonly Problem[], document: Document): Promise<Problem[]> {
  const { parseTOML } = await import('toml-eslint-parser');
  const spans = spansOf(parseTOML(document.text));
  const lines = document.text.split('\n').map((line) => line.replace(/\r$/, ''));
  return problems.map((problem) => withPosition(problem, document.file, spans, lines)).sort(byPosition);
}

/** Source locations of a key and its value; a table's "value" is its header or its braces. */
interface Span {
  key: AST.SourceLocation;
  value: AST.SourceLocation;
}

function withPosition(
  problem: Problem,
  file: string,
  spans: Map<string, Span>,
  lines: readonly string[],
): Problem {
  const { where } = problem;
  if (where?.kind !== 'file' || where.file !== file || where.path === undefined || where.position)
    return problem;
  const span = nearestSpan(where.path, spans);
  if (span === undefined) return problem;
  const location = where.on === 'key' ? span.key : span.value;
  return { ...problem, where: { ...where, position: positionOf(location, lines) } };
}

/** Location of a key path; for a missing key, of the table it belongs in. */
function nearestSpan(path: KeyPath, spans: Map<string, Span>): Span | undefined {
  for (let length = path.length; length > 0; length--) {
    const part = path.slice(0, length);
    const span = spans.get(writtenKey(part)) ?? spans.get(spanKey(part));
    if (span) return span;
  }
  return undefined;
}

function positionOf({ start, end }: AST.SourceLocation, lines: readonly string[]): Position {
  const text = lines[start.line - 1] ?? '';
  const last = start.line === end.line ? end.column : text.length;
  return { line: start.line, column: start.column + 1, length: Math.max(1, last - start.column), text };
}

function spanKey(path: KeyPath): string {
  return JSON.stringify(path.map((part) => (typeof part === 'string' ? part.replaceAll('_', '-') : part)));
}

/** Map key for a key as it is written, needed when it occurs in two spellings. */
function writtenKey(path: KeyPath): string {
  return `written ${JSON.stringify(path)}`;
}

function spansOf(program: AST.TOMLProgram): Map<string, Span> {
  const spans = new Map<string, Span>();
  const [top] = program.body;
  for (const node of top.body) {
    if (node.type === 'TOMLKeyValue') addKeyValue(spans, [], node);
    else addTable(spans, node);
  }
  return spans;
}

function addTable(spans: Map<string, Span>, table: AST.TOMLTable): void {
  addKey(spans, [], table.key, table.key.loc);
  for (const pair of table.body) addKeyValue(spans, table.resolvedKey, pair);
}

function addKeyValue(spans: Map<string, Span>, base: KeyPath, pair: AST.TOMLKeyValue): void {
  const path = addKey(spans, base, pair.key, pair.value.loc);
  addValue(spans, path, pair.value);
}

/** Records each part of a dotted key, the first mention of a table winning; returns the whole path. */
function addKey(
  spans: Map<string, Span>,
  base: KeyPath,
  key: AST.TOMLKey,
  value: AST.SourceLocation,
): KeyPath {
  const names = key.keys.map((part) => (part.type === 'TOMLBare' ? part.name : part.value));
  key.keys.slice(0, DEEPEST + 1).forEach((part, index) => {
    const path = [...base, ...names.slice(0, index + 1)];
    const whole = index === key.keys.length - 1;
    for (const at of [spanKey(path), writtenKey(path)])
      if (!spans.has(at)) spans.set(at, { key: part.loc, value: whole ? value : part.loc });
  });
  return [...base, ...names];
}

function addValue(spans: Map<string, Span>, path: KeyPath, value: AST.TOMLContentNode): void {
  if (value.type === 'TOMLArray') {
    value.elements.forEach((element, index) => {
      spans.set(spanKey([...path, index]), { key: element.loc, value: element.loc });
      addValue(spans, [...path, index], element);
    });
  } else if (value.type === 'TOMLInlineTable') {
    for (const pair of value.body) addKeyValue(spans, path, pair);
  }
}

function byPosition(a: Problem, b: Problem): number {
  return lineOf(a) - lineOf(b);
}

function lineOf({ where }: Problem): number {
  return where?.kind === 'file' ? (where.position?.line ?? Number.MAX_SAFE_INTEGER) : Number.MAX_SAFE_INTEGER;
}
