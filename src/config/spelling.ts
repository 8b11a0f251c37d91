import type { KeyPath } from '../problem.ts';

/** A fault in how a key is written, with its path in the file's spelling. */
export interface KeyFault {
  readonly path: KeyPath;
  readonly message: string;
  readonly hint: string;
}

/** A parsed table with underscores in keys replaced by hyphens, and the faults found. */
export interface SpelledTable {
  readonly data: Readonly<Record<string, unknown>>;
  readonly faults: readonly KeyFault[];
}

/** Tables whose keys are user-defined names, which are not changed. */
const NAMED_TABLES: ReadonlySet<string> = new Set(['vms', 'images', 'networks']);

/** Deepest accepted nesting; deeper values are cut off, since each level of recursion takes stack space. */
export const DEEPEST = 32;

export const TOO_DEEP = 'tables or lists are nested too deep';

export function spelled(data: Readonly<Record<string, unknown>>): SpelledTable {
  const faults: KeyFault[] = [];
  return { data: spelledTable(data, [], faults), faults };
}

function spelledTable(
  table: Readonly<Record<string, unknown>>,
  path: KeyPath,
  faults: KeyFault[],
): Record<string, unknown> {
  const isNamed = path.length === 1 && NAMED_TABLES.has(String(path[0]));
  const spellings = new Map<string, string>();
  const entries = Object.entries(table).map(([written, value]) => {
    const key = isNamed ? written : written.replaceAll('_', '-');
    const earlier = spellings.get(key);
    if (earlier !== undefined) faults.push(givenTwice(key, earlier, written, [...path, written]));
    spellings.set(key, written);
    return [key, spelledValue(value, [...path, written], faults)];
  });
  return Object.fromEntries(entries) as Record<string, unknown>;
}

function spelledValue(value: unknown, path: KeyPath, faults: KeyFault[]): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (path.length > DEEPEST) {
    faults.push({ path, message: TOO_DEEP, hint: 'remove it: no key is nested that deep' });
    return undefined;
  }
  if (!Array.isArray(value)) return spelledTable(value as Record<string, unknown>, path, faults);
  return value.map((item, index) => spelledValue(item, [...path, index], faults));
}

function givenTwice(key: string, earlier: string, written: string, path: KeyPath): KeyFault {
  return {
    path,
    message: `key "${key}" is given twice: as "${earlier}" and as "${written}"`,
    hint: 'keep one of them; underscores are read as hyphens',
  };
}
