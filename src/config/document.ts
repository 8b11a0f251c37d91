import { readFileSync } from 'node:fs';
import { parse, stringify, TomlError } from 'smol-toml';
import type { Position, Result } from '../problem.ts';
import { failed, ok, systemMessage } from '../problem.ts';

/** A TOML file that was read and parsed; what it means is for others to say. */
export interface Document {
  /** The path as messages show it. */
  readonly file: string;
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Reads and parses a TOML file; `shown` is its path in messages. Keys may be written with underscores. */
export function readDocument(path: string, shown: string): Result<Document> {
  const bytes = readBytes(path, shown);
  if (!bytes.ok) return bytes;
  const text = decode(bytes.value, shown);
  return text.ok ? parseDocument(text.value, shown) : text;
}

function readBytes(path: string, shown: string): Result<Buffer> {
  try {
    return ok(readFileSync(path));
  } catch (cause) {
    return failed({
      reason: 'unreadable',
      message: `cannot read ${shown}: ${systemMessage(cause)}`,
      where: { kind: 'file', file: shown },
    });
  }
}

function decode(bytes: Buffer, shown: string): Result<string> {
  try {
    return ok(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    const line = firstBrokenLine(bytes);
    return failed({
      reason: 'syntax',
      message: 'the file is not UTF-8 text',
      where: { kind: 'file', file: shown, position: { line, column: 1, length: 0, text: '' } },
      hint: 'TOML files are UTF-8; convert it, e.g. with iconv',
    });
  }
}

function firstBrokenLine(bytes: Buffer): number {
  const lines = bytes.toString('latin1').split('\n');
  const broken = lines.findIndex((line) => Buffer.from(line, 'latin1').toString('utf8').includes('\uFFFD'));
  return broken + 1;
}

/** Parses TOML text; `shown` names it in messages. */
export function parseDocument(text: string, shown: string): Result<Document> {
  try {
    return ok({ file: shown, text, data: hyphenated(parse(text)) as Record<string, unknown> });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [first = ''] = error.message.split('\n');
    return failed({
      reason: 'syntax',
      message: `invalid TOML: ${first.replace(/^Invalid TOML document: /, '')}`,
      where: { kind: 'file', file: shown, position: positionAt(text, error.line, error.column) },
    });
  }
}

/** A table as TOML text; what it holds must have a form in TOML. */
export function formatDocument(data: Readonly<Record<string, unknown>>): string {
  const text = stringify(data);
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

function positionAt(text: string, line: number, column: number): Position {
  return { line, column, length: 1, text: (text.split('\n')[line - 1] ?? '').replace(/\r$/, '') };
}

const NAMED_TABLES: ReadonlySet<string> = new Set(['vms', 'images', 'networks']);

/** Keys with hyphens for underscores, in every table but those whose keys are names that the user gave. */
function hyphenated(value: unknown, path: readonly string[] = []): unknown {
  if (Array.isArray(value)) return value.map((item) => hyphenated(item, path));
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  const named = path.length === 1 && NAMED_TABLES.has(path[0] ?? '');
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      named ? key : key.replaceAll('_', '-'),
      hyphenated(inner, [...path, key]),
    ]),
  );
}
