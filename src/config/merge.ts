import { isAbsolute, join } from 'node:path';
import type { Layer } from '../options/layer.ts';
import type { OptionName, OptionValues } from '../options/table.ts';
import { OPTION_NAMES, OPTION_TABLE, defaultOf } from '../options/table.ts';
import { absolute } from '../options/values/value-type.ts';
import type { Where } from '../problem.ts';

/** Environment variables of the process, from which a layer and defaults are read. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Merged layers: the values, where each was last set, and which were set explicitly. */
export interface Merged {
  readonly values: Partial<OptionValues>;
  /** The value of an option that has a default or is a list. */
  readonly option: <K extends OptionName>(name: K) => OptionValues[K];
  readonly isSet: (name: OptionName) => boolean;
  readonly where: (name: OptionName) => Where | undefined;
}

/** Options set by environment variables, as a layer. */
export function environmentLayer(environment: Environment, base: string): Layer {
  const values = OPTION_NAMES.flatMap((name) => {
    const value = environment[OPTION_TABLE[name].env ?? ''];
    return value ? [[name, value]] : [];
  });
  return {
    values: Object.fromEntries(values) as Partial<OptionValues>,
    where: (name) => ({ kind: 'env', name: OPTION_TABLE[name].env ?? name }),
    base,
  };
}

/** Merges layers, the later over the earlier: a scalar is replaced, a list is appended to; paths become absolute. */
export function mergeLayers(layers: readonly Layer[]): Merged {
  const values: Partial<Record<OptionName, unknown>> = {};
  const origin = new Map<OptionName, Layer>();
  for (const layer of layers) {
    for (const name of OPTION_NAMES) {
      const value = layer.values[name];
      if (value === undefined) continue;
      values[name] = mergeValue(name, values[name], absoluteOption(name, value, layer.base));
      origin.set(name, layer);
    }
  }
  return {
    values: values as Partial<OptionValues>,
    option: <K extends OptionName>(name: K) => (values[name] ?? defaultOf(name)) as OptionValues[K],
    isSet: (name) => origin.has(name),
    where: (name) => origin.get(name)?.where(name),
  };
}

function mergeValue(name: OptionName, earlier: unknown, later: unknown): unknown {
  if (OPTION_TABLE[name].merge === 'replace') return later;
  return [...((earlier as unknown[] | undefined) ?? []), ...(later as unknown[])];
}

/** Makes the paths in a value absolute. */
function absoluteOption(name: OptionName, value: unknown, base: string): unknown {
  const { type, merge } = OPTION_TABLE[name];
  if (merge === 'replace') return absolute(type, value, base);
  return (value as unknown[]).map((item) => absolute(type, item, base));
}

/** Default parent directory of the stores, below `XDG_DATA_HOME` or `~/.local/share`. */
export function dataDirectory(environment: Environment): string {
  const { XDG_DATA_HOME: xdg, HOME: home } = environment;
  if (xdg && isAbsolute(xdg)) return join(xdg, 'transient');
  return join(home ?? '/', '.local', 'share', 'transient');
}

/** The two directories of persistent data. */
export interface Stores {
  readonly backend: string;
  readonly vmstore: string;
}

/** The stores set by options, by default in the data directory. */
export function storesOf(values: Merged['values'], environment: Environment): Stores {
  const data = dataDirectory(environment);
  return {
    backend: values['image-backend'] ?? join(data, 'backend'),
    vmstore: values.vmstore ?? join(data, 'vmstore'),
  };
}

/**
 * Inserts the stored layer of a VM between lower and upper layers. A list that is given again exactly as stored is not
 * appended a second time, so that repeating a command has no effect.
 */
export function overStored(
  stored: Layer | undefined,
  lower: readonly Layer[],
  upper: readonly Layer[],
): readonly Layer[] {
  if (stored === undefined) return [...lower, ...upper];
  const once = (layer: Layer): Layer => ({ ...layer, values: withoutRepeated(layer, stored) });
  return [...lower.map(once), stored, ...upper.map(once)];
}

function withoutRepeated({ values, base }: Layer, stored: Layer): Partial<OptionValues> {
  const isRepeated = ([key, value]: [string, unknown]): boolean => {
    const name = key as OptionName;
    if (OPTION_TABLE[name].merge === 'replace') return false;
    const [one, other] = [absoluteOption(name, value, base), stored.values[name]];
    return JSON.stringify(one) === JSON.stringify(other);
  };
  return Object.fromEntries(Object.entries(values).filter((entry) => !isRepeated(entry)));
}
