import damerauLevenshtein from 'damerau-levenshtein';
import type * as z from 'zod';
import type { KeyPath, Problem, Where } from '../problem.ts';

/** Names and locates the value at a path of a zod error. */
export interface ErrorContext {
  name: (path: KeyPath) => string;
  where: (path: KeyPath, on: 'key' | 'value') => Where;
  /** The keys that are allowed in the table at a path; the nearest is suggested for an unknown one. */
  keys: (path: KeyPath) => readonly string[];
  /** Where all keys are shown, if they are too many for a hint. */
  reference?: string;
}

/** Most keys listed in a hint. */
const MOST_LISTED = 8;

/** Translates zod issues into problems, one for each fault. */
export function problemsOf(error: z.ZodError, context: ErrorContext): Problem[] {
  return error.issues.flatMap((issue) => problemsOfIssue(issue, context));
}

function problemsOfIssue(issue: z.core.$ZodIssue, context: ErrorContext): Problem[] {
  const meant = meantBranch(issue);
  if (meant !== undefined) return meant.flatMap((inner) => problemsOfIssue(inner, context));
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownKey([...path, key], context));
  }
  if (issue.code === 'invalid_type' && issue.input === undefined)
    return [missingKey(path, issue.expected, context)];
  return [
    {
      reason: 'invalid-value',
      message: `${context.name(path)} ${requirement(issue)}${actual(issue)}`,
      where: context.where(path, issue.code === 'invalid_key' ? 'key' : 'value'),
      ...hintOf(issue),
    },
  ];
}

/** Issues of the one union branch whose type the value has; undefined if there is no such branch or more than one. */
function meantBranch(issue: z.core.$ZodIssue): z.core.$ZodIssue[] | undefined {
  if (issue.code !== 'invalid_union') return undefined;
  const ofItsType = issue.errors.filter((branch) =>
    branch.every(({ code, path }) => code !== 'invalid_type' || path.length > 0),
  );
  const [meant, ...others] = ofItsType;
  if (meant === undefined || others.length > 0) return undefined;
  return meant.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
}

function unknownKey(path: KeyPath, context: ErrorContext): Problem {
  const key = String(path.at(-1));
  const parent = path.slice(0, -1);
  const table = parent.length === 0 ? 'the file' : `[${context.name(parent)}]`;
  const allowed = context.keys(parent);
  return {
    reason: 'unknown-key',
    message: `unknown key "${key}" in ${table}`,
    where: context.where(path, 'key'),
    ...(allowed.length > 0 ? { hint: didYouMean(key, allowed) ?? allowedKeys(allowed, context) } : {}),
  };
}

function allowedKeys(allowed: readonly string[], { reference }: ErrorContext): string {
  if (allowed.length > MOST_LISTED) return `${reference ?? 'Transientfile.example.toml'} shows every key`;
  return `allowed keys: ${[...allowed].sort().join(', ')}`;
}

function missingKey(path: KeyPath, expected: string, context: ErrorContext): Problem {
  const parent = path.slice(0, -1);
  const key = String(path.at(-1));
  const isTable = TYPE_NAMES[expected] === 'a table';
  const inFile = isTable ? `the file needs a table [${key}]` : `the file needs a key "${key}"`;
  return {
    reason: 'missing-key',
    message: parent.length === 0 ? inFile : `[${context.name(parent)}] needs a key "${key}"`,
    where: context.where(parent, 'key'),
  };
}

function requirement(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return typeof issue.input === 'number' && issue.expected === 'number'
        ? 'must be a finite number'
        : `must be ${article(issue.expected)}`;
    case 'too_big':
      return `must be at most ${String(issue.maximum)}`;
    case 'too_small':
      return issue.origin === 'string' ? 'must not be empty' : `must be at least ${String(issue.minimum)}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'invalid_key':
      return issue.issues[0]?.message ?? issue.message;
    default:
      return issue.message;
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a table',
  record: 'a table',
};

function article(type: string): string {
  return TYPE_NAMES[type] ?? type;
}

function actual(issue: z.core.$ZodIssue): string {
  const { input } = issue;
  // a wrong key was just named, and a custom message describes the value itself
  if (input === '' || issue.code === 'invalid_key' || issue.code === 'custom') return '';
  return `, got ${shown(input)}`;
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Date) return 'a date';
  if (typeof value === 'object') return 'a table';
  if (typeof value === 'number' && !Number.isFinite(value)) return notFinite(value);
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** TOML notation of a number that is not finite. */
function notFinite(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  return value > 0 ? 'inf' : '-inf';
}

function hintOf(issue: z.core.$ZodIssue): { hint?: string } {
  if (issue.code !== 'invalid_value' || typeof issue.input !== 'string') return {};
  const hint = didYouMean(issue.input, issue.values.map(String));
  return hint === undefined ? {} : { hint };
}

/** The hint "did you mean …?" if a candidate is similar to the given word. */
export function didYouMean(given: string, candidates: readonly string[]): string | undefined {
  const nearest = nearestWord(given, candidates);
  return nearest === undefined ? undefined : `did you mean "${nearest}"?`;
}

/** The candidate that is most similar to the given word, if it is similar enough to be meant. */
export function nearestWord(given: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map((word) => ({
      word,
      distance: damerauLevenshtein(given.toLowerCase(), word.toLowerCase()).steps,
      alike: word.startsWith(given.slice(0, 1)),
    }))
    // the first letter is rarely mistyped
    .sort((a, b) => a.distance - b.distance || Number(b.alike) - Number(a.alike));
  const [nearest] = ranked;
  if (nearest === undefined || nearest.distance > Math.max(1, given.length / 3)) return undefined;
  return nearest.word;
}

/** Formats a key path for messages; list items are counted from 1. */
export function dotted(path: KeyPath): string {
  const index = path.findLastIndex((part) => typeof part === 'number');
  if (index >= 0) {
    const item = `item ${Number(path[index]) + 1} of ${dotted(path.slice(0, index))}`;
    const rest = path.slice(index + 1);
    return rest.length > 0 ? `${dotted(rest)} of ${item}` : item;
  }
  return path.map((part) => (/^[\w-]+$/.test(String(part)) ? String(part) : JSON.stringify(part))).join('.');
}
