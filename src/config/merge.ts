import { isAbsolute, join, resolve } from 'node:path';
import type { Layer } from '../options/layer.ts';
import type { CopyPair } from '../options/values/copy-pair.ts';
import { parseCopyIn, parseCopyOut } from '../options/values/copy-pair.ts';
import { checkedSharedFolder } from '../options/values/shared-folder.ts';
import type { OptionName, OptionValues } from '../options/table.ts';
import { OPTION_NAMES, OPTION_TABLE } from '../options/table.ts';
import type { Where } from '../problem.ts';

/** Environment variables of the process, from which a layer and defaults are read. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Merged layers: the values, where each was last set, and which were set explicitly. */
export interface Merged {
  readonly values: Partial<OptionValues>;
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
      values[name] = mergeValue(name, values[name], absolute(name, value, layer.base));
      origin.set(name, layer);
    }
  }
  return {
    values: values as Partial<OptionValues>,
    isSet: (name) => origin.has(name),
    where: (name) => origin.get(name)?.where(name),
  };
}

function mergeValue(name: OptionName, earlier: unknown, later: unknown): unknown {
  if (OPTION_TABLE[name].merge === 'replace') return later;
  return [...((earlier as unknown[] | undefined) ?? []), ...(later as unknown[])];
}

/** Makes the paths in a value absolute. */
function absolute(name: OptionName, value: unknown, base: string): unknown {
  if (name === 'extra-image') return (value as string[]).map((spec) => absoluteImage(spec, base));
  if (name === 'copy-in-before')
    return (value as string[]).map((pair) => absolutePair(pair, parseCopyIn, base));
  if (name === 'copy-out-after')
    return (value as string[]).map((pair) => absolutePair(pair, parseCopyOut, base));
  if (name === 'shared-folder')
    return (value as OptionValues['shared-folder']).map((folder) => absoluteFolder(folder, base));
  return OPTION_TABLE[name].path === true ? resolve(base, value as string) : value;
}

/** Makes the host path of a pair absolute; a trailing slash is significant and kept. */
function absolutePair(pair: string, parse: typeof parseCopyIn, base: string): string {
  const { host, guest } = checkedPair(pair, parse);
  const path = absoluteHostPath(host, base);
  return parse === parseCopyIn ? `${path}:${guest}` : `${guest}:${path}`;
}

/** Makes a host path absolute; an ending that denotes a directory (`/`, `.`, `..`) is kept as a trailing slash. */
export function absoluteHostPath(path: string, base: string): string {
  return `${resolve(base, path)}${/(?:^|\/)\.{0,2}$/.test(path) ? '/' : ''}`;
}

/** Makes the host path of a shared folder absolute, keeping the form (text or table) it was written in. */
function absoluteFolder(folder: OptionValues['shared-folder'][number], base: string): typeof folder {
  const { host, guest } = checkedSharedFolder(folder);
  const path = resolve(base, host);
  return typeof folder === 'string' ? `${path}:${guest}` : { ...folder, host: path };
}

export function checkedPair(text: string, parse: typeof parseCopyIn): CopyPair {
  const pair = parse(text);
  if (typeof pair === 'string') throw new Error(`unchecked copy: ${text}`);
  return pair;
}

/** Matches an image spec whose source is a path: a file, or a box catalogue in a file. */
const PATH_SOURCE = /^([^,]*,(?:file=|vagrant=(?=\.{0,2}\/|[^:]*\.json:)))(.*)$/s;

/** Makes the path in an image spec, if it has one, absolute. */
export function absoluteImage(spec: string, base: string): string {
  return spec.replace(PATH_SOURCE, (_whole, prefix: string, path: string) => prefix + resolve(base, path));
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
    const [one, other] = [absolute(name, value, base), stored.values[name]];
    return JSON.stringify(one) === JSON.stringify(other);
  };
  return Object.fromEntries(Object.entries(values).filter((entry) => !isRepeated(entry)));
}
