import { existsSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { didYouMean, dotted, problemsOf, type Subject } from '../options/issues.ts';
import type { Layer } from '../options/layer.ts';
import { optionValues } from '../options/schema.ts';
import type { KeyPath, Problem, Result } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import type { Document } from './document.ts';
import { readDocument } from './document.ts';
import { networksOf } from './networks.ts';
import { inFile, placed } from './locate.ts';
import { brokenReferences } from './references.ts';
import type { SaidDependency } from './transientfile-schema.ts';
import { keysAt, schemaFor } from './transientfile-schema.ts';
import { itemsOf } from './vm-keys.ts';
import type { Dependency } from './vm-spec.ts';
import type { NetworkCard } from './vm-spec.ts';

/** Name of the file that a project checks in. */
export const TRANSIENTFILE = 'Transientfile.toml';

/** A VM as the file says it: its image (a key of `[images]` or an image spec), its options, what it waits for. */
export interface VmEntry {
  readonly name: string;
  readonly image: string;
  readonly dependsOn: readonly Dependency[];
  /** Its cards in networks of the file. */
  readonly networks: readonly NetworkCard[];
  /** Its name in the VM store, where its state is to stay under that name. */
  readonly storeName: string | undefined;
  /** Its state is to stay in the VM store, by whatever name. */
  readonly persistent: boolean;
  readonly layer: Layer;
}

/** An image as the file says it: the `PROTOCOL=SOURCE` that follows its name in an image spec, and its sum. */
export interface ImageEntry {
  readonly source: string;
  readonly sha256?: string | undefined;
}

/** A checked Transientfile; every reference in it leads somewhere. */
export interface Transientfile {
  readonly document: Document;
  readonly base: string;
  readonly project: string;
  readonly defaults: Layer;
  readonly images: ReadonlyMap<string, ImageEntry>;
  readonly vms: readonly VmEntry[];
}

function dependencyOf(said: SaidDependency): Dependency {
  return typeof said === 'string'
    ? { vm: said, until: 'ready' }
    : { vm: said.vm, until: said.until ?? 'ready' };
}

/** The nearest Transientfile from a directory upwards, or the one that was named. */
export function findTransientfile(directory: string, named?: string): Result<string> {
  if (named !== undefined) return ok(resolve(directory, named));
  for (let at = resolve(directory); ; at = dirname(at)) {
    const candidate = join(at, TRANSIENTFILE);
    if (existsSync(candidate)) return ok(candidate);
    if (at === dirname(at)) break;
  }
  return failed({
    reason: 'unreadable',
    message: `no ${TRANSIENTFILE} in ${directory} or any directory above it`,
    hint: 'write one, name one with --file, or use "transient run IMAGE"',
  });
}

/** Reads and checks a Transientfile; all that is wrong with it comes back at once, placed in its text. */
export async function loadTransientfile(
  path: string,
  workingDirectory: string,
  base = dirname(path),
): Promise<Result<Transientfile>> {
  const shown = relative(workingDirectory, path);
  const document = readDocument(path, shown.startsWith('..') ? path : shown);
  if (!document.ok) return document;
  const checked = checkTransientfile(document.value, base);
  return checked.ok ? checked : failed(...(await placed(checked.problems, document.value)));
}

/** Checks a parsed document; the problems know their key path, not yet their line. */
export function checkTransientfile(document: Document, base: string): Result<Transientfile> {
  const checked = schemaFor(document).safeParse(document.data, { reportInput: true });
  const networks = networksOf(document, projectOf(document, base));
  const problems = [
    ...document.faults,
    ...(checked.success ? [] : problemsOf(checked.error, subjectIn(document))),
    ...brokenReferences(document),
    ...networks.problems,
  ];
  if (!checked.success || problems.length > 0) return failed(...problems);
  const { defaults = {}, images = {}, vms } = checked.data;
  return ok({
    document,
    base,
    project: projectOf(document, base),
    defaults: layerIn(document, base, ['defaults'], defaults),
    images: new Map(Object.entries(images)),
    vms: Object.entries(vms).map(([key, vm]) => ({
      name: key,
      // each has one, or it was told above
      image: vm.image ?? defaults.image ?? '',
      dependsOn: itemsOf(document, key, 'depends-on').map(({ value }) =>
        dependencyOf(value as SaidDependency),
      ),
      networks: networks.cards.get(key) ?? [],
      storeName: vm.name ?? defaults.name,
      persistent: vm.persistent ?? defaults.persistent ?? false,
      layer: layerIn(document, base, ['vms', key], vm),
    })),
  });
}

/** The named VMs and all that they depend on, in the order of the file; all of them when none is named. */
export function selectVms(file: Transientfile, names: readonly string[]): Result<VmEntry[]> {
  const known = new Map(file.vms.map((vm) => [vm.name, vm]));
  const problems = names
    .filter((given) => !known.has(given))
    .map((given) => unknownVm(given, [...known.keys()]));
  if (problems.length > 0) return failed(...problems);
  const selected = new Set<string>();
  const select = (vm: string): void => {
    if (selected.has(vm)) return;
    selected.add(vm);
    known.get(vm)?.dependsOn.forEach((dependency) => select(dependency.vm));
  };
  (names.length > 0 ? names : [...known.keys()]).forEach(select);
  return ok(file.vms.filter((vm) => selected.has(vm.name)));
}

function unknownVm(given: string, known: readonly string[]): Problem {
  return {
    reason: 'usage',
    message: `there is no VM "${given}" in the file`,
    where: { kind: 'flag', flag: 'VM', value: given },
    hint: didYouMean(given, known) ?? `VMs of the file: ${known.join(', ')}`,
  };
}

/** The name that the file says, which may yet be wrong, or the directory's. */
function projectOf({ data }: Document, base: string): string {
  const said = (data['project'] as { name?: unknown } | undefined)?.name;
  return typeof said === 'string' ? said : projectNameFrom(base);
}

/** The name of a project that says none: its directory's, as far as a name can hold it. */
export function projectNameFrom(base: string): string {
  const cleaned = basename(base)
    .replaceAll(/[^A-Za-z0-9_.-]+/g, '-')
    .replaceAll(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '');
  return cleaned.slice(0, 63) || 'project';
}

function layerIn(
  document: Document,
  base: string,
  path: KeyPath,
  table: Readonly<Record<string, unknown>>,
): Layer {
  return {
    values: optionValues(table),
    where: (option, index) =>
      inFile(document, [...path, option, ...(index === undefined ? [] : [index])], 'value'),
    base,
  };
}

function subjectIn(document: Document): Subject {
  return {
    name: dotted,
    where: (path, on) => inFile(document, path, on),
    keys: keysAt,
  };
}
