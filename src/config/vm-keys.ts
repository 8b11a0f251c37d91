import type { KeyPath, Problem } from '../problem.ts';
import type { Document } from './document.ts';

/** A value of a document, and where it stands in it. */
export interface PlacedValue {
  readonly value: unknown;
  readonly path: KeyPath;
}

/** A value as a table, and one that is none as an empty one: other parts of a file may be wrong. */
export function tableOf(value: unknown): Readonly<Record<string, unknown>> {
  const isTable = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isTable ? (value as Record<string, unknown>) : {};
}

/** What holds for a VM by a key: what its own table has, else `[defaults]`. */
export function valueOf({ data }: Document, vm: string, key: string): PlacedValue | undefined {
  const own = tableOf(tableOf(data['vms'])[vm])[key];
  if (own !== undefined) return { value: own, path: ['vms', vm, key] };
  const common = tableOf(data['defaults'])[key];
  return common === undefined ? undefined : { value: common, path: ['defaults', key] };
}

/**
 * The items of a list of names that holds for a VM: those of `[defaults]`, then its own. What its own list names, and the
 * VM itself, are meant as the VM's table has them.
 */
export function itemsOf({ data }: Document, vm: string, key: 'depends-on' | 'networks'): PlacedValue[] {
  const own = itemsAt(tableOf(tableOf(data['vms'])[vm])[key], ['vms', vm, key]);
  const named = new Set(own.map(nameOf));
  if (key === 'depends-on') named.add(vm);
  const common = itemsAt(tableOf(data['defaults'])[key], ['defaults', key]);
  return [...common.filter((item) => !named.has(nameOf(item))), ...own];
}

function itemsAt(list: unknown, path: KeyPath): PlacedValue[] {
  return Array.isArray(list) ? list.map((value: unknown, index) => ({ value, path: [...path, index] })) : [];
}

/** What an item names: a network or a VM, by itself or in a table that says more of it. */
function nameOf({ value }: PlacedValue): unknown {
  if (typeof value === 'string') return value;
  const { name, vm } = tableOf(value);
  return name ?? vm;
}

/** Without what is wrong with `[defaults]` a second time: each VM finds it. */
export function distinct(problems: readonly Problem[]): Problem[] {
  const found = new Map<string, Problem>();
  for (const problem of problems) {
    const key = JSON.stringify([problem.message, problem.where]);
    if (!found.has(key)) found.set(key, problem);
  }
  return [...found.values()];
}
