import { isAbsolute, join, resolve } from 'node:path';
import type { Layer } from '../options/layer.ts';
import type { CopyPair } from '../options/option.ts';
import { parseCopyIn, parseCopyOut } from '../options/option.ts';
import { knownSharedFolder } from '../options/shared-folder.ts';
import type { OptionName, OptionValues } from '../options/table.ts';
import { OPTION_NAMES, OPTION_TABLE } from '../options/table.ts';
import type { Where } from '../problem.ts';

/** What the process environment says that a layer or a default can come from. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Layers merged: the values, where each last came from, and which were really said. */
export interface Merged {
  readonly values: Partial<OptionValues>;
  readonly said: (name: OptionName) => boolean;
  readonly where: (name: OptionName) => Where | undefined;
}

/** The variables of the environment that stand for options, as a layer. */
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
    said: (name) => origin.has(name),
    where: (name) => origin.get(name)?.where(name),
  };
}

function mergeValue(name: OptionName, earlier: unknown, later: unknown): unknown {
  if (OPTION_TABLE[name].merge === 'replace') return later;
  return [...((earlier as unknown[] | undefined) ?? []), ...(later as unknown[])];
}

/** Values that hold a path lose their dependence on the place where they were said. */
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

/** A pair whose path of the host is absolute; a slash at its end has a meaning and stays. */
function absolutePair(said: string, parse: typeof parseCopyIn, base: string): string {
  const { host, guest } = knownPair(said, parse);
  const path = absoluteHostPath(host, base);
  return parse === parseCopyIn ? `${path}:${guest}` : `${guest}:${path}`;
}

/** An absolute path of the host; what says that it is a directory stays, as a slash at its end. */
export function absoluteHostPath(said: string, base: string): string {
  return `${resolve(base, said)}${/(?:^|\/)\.{0,2}$/.test(said) ? '/' : ''}`;
}

/** A shared folder whose path of the host is absolute, in the form in which it was said. */
function absoluteFolder(said: OptionValues['shared-folder'][number], base: string): typeof said {
  const { host, guest } = knownSharedFolder(said);
  const path = resolve(base, host);
  return typeof said === 'string' ? `${path}:${guest}` : { ...said, host: path };
}

export function knownPair(said: string, parse: typeof parseCopyIn): CopyPair {
  const pair = parse(said);
  if (typeof pair === 'string') throw new Error(`a copy that was not checked: ${said}`);
  return pair;
}

/** A source that is a path: a file, or a box catalogue in a file and not of a registry. */
const PATH_SOURCE = /^([^,]*,(?:file=|vagrant=(?=\.{0,2}\/|[^:]*\.json:)))(.*)$/s;

/** An image spec whose path, if it holds one, is absolute. */
export function absoluteImage(spec: string, base: string): string {
  return spec.replace(PATH_SOURCE, (_whole, prefix: string, path: string) => prefix + resolve(base, path));
}

/** The directory that stores live in unless they are named: `XDG_DATA_HOME` or `~/.local/share`. */
export function dataDirectory(environment: Environment): string {
  const { XDG_DATA_HOME: xdg, HOME: home } = environment;
  if (xdg && isAbsolute(xdg)) return join(xdg, 'transient');
  return join(home ?? '/', '.local', 'share', 'transient');
}

/** The two directories that hold what is kept. */
export interface Stores {
  readonly backend: string;
  readonly vmstore: string;
}

/** The stores that the options name, else those in the data directory. */
export function storesOf(values: Merged['values'], environment: Environment): Stores {
  const data = dataDirectory(environment);
  return {
    backend: values['image-backend'] ?? join(data, 'backend'),
    vmstore: values.vmstore ?? join(data, 'vmstore'),
  };
}

/**
 * Layers with what is stored of a VM between those of a file and those above. A list that is said again, just as it is
 * stored, is not a second one: a command that is repeated means the same.
 */
export function overStored(
  stored: Layer | undefined,
  below: readonly Layer[],
  above: readonly Layer[],
): readonly Layer[] {
  if (stored === undefined) return [...below, ...above];
  const once = (layer: Layer): Layer => ({ ...layer, values: withoutRepeated(layer, stored) });
  return [...below.map(once), stored, ...above.map(once)];
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
