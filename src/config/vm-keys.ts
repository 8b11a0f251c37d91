import type { KeyPath, Problem } from '../problem.ts';
import type { Document } from './document.ts';

/** A value of a document and its key path. */
export interface PlacedValue {
  readonly value: unknown;
  readonly path: KeyPath;
}

/** A value as a table; anything else as an empty one, since the file may be invalid. */
export function tableOf(value: unknown): Readonly<Record<string, unknown>> {
  const isTable = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isTable ? (value as Record<string, unknown>) : {};
}

/** Effective value of a key for a VM: from its own table, else from `[defaults]`. */
export function valueOf({ data }: Document, vm: string, key: string): PlacedValue | undefined {
  const value = tableOf(tableOf(data['vms'])[vm])[key];
  if (value !== undefined) return { value: value, path: ['vms', vm, key] };
  const common = tableOf(data['defaults'])[key];
  return common === undefined ? undefined : { value: common, path: ['defaults', key] };
}

/**
 * Effective items of a list of names for a VM: those of `[defaults]`, then its own. Items of `[defaults]` that its own list
 * names too, or that name the VM itself, are left out.
 */
export function itemsOf({ data }: Document, vm: string, key: 'depends-on' | 'networks'): PlacedValue[] {
  const items = itemsAt(tableOf(tableOf(data['vms'])[vm])[key], ['vms', vm, key]);
  const named = new Set(items.map(nameOf));
  if (key === 'depends-on') named.add(vm);
  const common = itemsAt(tableOf(data['defaults'])[key], ['defaults', key]);
  return [...common.filter((item) => !named.has(nameOf(item))), ...items];
}

function itemsAt(list: unknown, path: KeyPath): PlacedValue[] {
  return Array.isArray(list) ? list.map((value: unknown, index) => ({ value, path: [...path, index] })) : [];
}

/** Name in an item: a network or VM, either plain or in a table. */
function nameOf({ value }: PlacedValue): unknown {
  if (typeof value === 'string') return value;
  const { name, vm } = tableOf(value);
  return name ?? vm;
}

/** Removes duplicates: a problem in `[defaults]` is found once for each VM. */
export function distinct(problems: readonly Problem[]): Problem[] {
  const found = new Map<string, Problem>();
  for (const problem of problems) {
    const key = JSON.stringify([problem.message, problem.where]);
    if (!found.has(key)) found.set(key, problem);
  }
  return [...found.values()];
}
