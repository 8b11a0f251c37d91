import { readFileSync } from 'node:fs';
import { parse, stringify, TomlError } from 'smol-toml';
import type { Position, Problem, Result } from '../problem.ts';
import { failed, ok, systemMessage } from '../problem.ts';
import type { KeyFault } from './spelling.ts';
import { TOO_DEEP, spelled } from './spelling.ts';

/** A parsed TOML file, not yet validated. */
export interface Document {
  /** The path as messages show it. */
  readonly file: string;
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Problems with the spelling of keys; they have a key path but no line yet. */
  readonly faults: readonly Problem[];
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
    const { data, faults } = spelled(parse(text));
    return ok({ file: shown, text, data, faults: faults.map((fault) => problemOf(fault, shown)) });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [first = ''] = error.message.split('\n');
    const complaint = first.replace(/^Invalid TOML document: /, '');
    return failed({
      reason: 'syntax',
      message: complaint.includes('excessively nested') ? TOO_DEEP : `invalid TOML: ${complaint}`,
      where: { kind: 'file', file: shown, position: positionAt(text, error.line, error.column) },
    });
  }
}

function problemOf({ path, message, hint }: KeyFault, file: string): Problem {
  return { reason: 'syntax', message, where: { kind: 'file', file, path, on: 'key' }, hint };
}

/** Formats a table as TOML; its values must be representable. */
export function formatDocument(data: Readonly<Record<string, unknown>>): string {
  const text = stringify(data);
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

function positionAt(text: string, line: number, column: number): Position {
  return { line, column, length: 1, text: (text.split('\n')[line - 1] ?? '').replace(/\r$/, '') };
}
