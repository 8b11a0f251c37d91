import type { KeyPath } from '../problem.ts';

/** Something wrong with a key, by its path as it is written. */
export interface KeyFault {
  readonly path: KeyPath;
  readonly message: string;
  readonly hint: string;
}

/** A table that was parsed, its keys with hyphens for underscores, and what is wrong with how they are written. */
export interface SpelledTable {
  readonly data: Readonly<Record<string, unknown>>;
  readonly faults: readonly KeyFault[];
}

/** Tables whose keys are names that the user gave, which stay as they are. */
const NAMED_TABLES: ReadonlySet<string> = new Set(['vms', 'images', 'networks']);

/** No key of ours lies so deep; what does is cut off, since each level takes a part of the stack. */
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
    faults.push({ path, message: TOO_DEEP, hint: 'leave it out: no key lies that deep' });
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
