import { existsSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { didYouMean } from '../options/issues.ts';
import type { Layer } from '../options/layer.ts';
import type { ImageRef } from '../options/values/image-spec.ts';
import { imageSource, imageSpec } from '../options/values/image-spec.ts';
import { absolute } from '../options/values/value-type.ts';
import type { Problem, Result } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import type { Document } from './document.ts';
import { readDocument } from './document.ts';
import { layerIn, schemaProblems } from './document-layer.ts';
import { networksOf } from './networks.ts';
import { placed } from './locate.ts';
import { brokenReferences } from './references.ts';
import { dependency, keysAt, schemaFor } from './transientfile-schema.ts';
import { itemsOf } from './vm-keys.ts';
import type { Dependency, NetworkCard, WantedImage } from './vm-spec.ts';

/** Name of the file that a project checks in. */
export const TRANSIENTFILE = 'Transientfile.toml';

/** A VM of the file: its image, which may be one of `[images]`, its options and dependencies. */
export interface VmEntry {
  readonly name: string;
  readonly image: ImageRef;
  readonly dependsOn: readonly Dependency[];
  /** Its network cards. */
  readonly networks: readonly NetworkCard[];
  /** Explicit name in the VM store, if its state is kept there. */
  readonly storeName: string | undefined;
  /** Whether its state is kept in the VM store, under any name. */
  readonly persistent: boolean;
  readonly layer: Layer;
}

/** A validated Transientfile without dangling references. */
export interface Transientfile {
  readonly document: Document;
  readonly base: string;
  readonly project: string;
  readonly defaults: Layer;
  readonly images: ReadonlyMap<string, WantedImage>;
  readonly vms: readonly VmEntry[];
}

/** Path of the Transientfile that was named, or else the nearest one from a directory upwards. */
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

/** Reads and validates a Transientfile; returns all problems at once, with their positions. */
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

/** Validates a parsed document; the problems have a key path but no line yet. */
export function checkTransientfile(document: Document, base: string): Result<Transientfile> {
  const checked = schemaFor(document).safeParse(document.data, { reportInput: true });
  const networks = networksOf(document, projectOf(document, base));
  const problems = [
    ...document.faults,
    ...schemaProblems(document, checked.error, keysAt),
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
    images: new Map(
      Object.entries(images).map(([name, { source, ...sum }]) => [
        name,
        { name, source: absolute(imageSource, source, base), ...sum },
      ]),
    ),
    vms: Object.entries(vms).map(([key, vm]) => ({
      name: key,
      // a missing image has been reported above
      image: absolute(imageSpec, vm.image ?? defaults.image ?? { name: '' }, base),
      dependsOn: itemsOf(document, key, 'depends-on').map(({ value }) => dependency().parse(value)),
      networks: networks.cards.get(key) ?? [],
      storeName: vm.name ?? defaults.name,
      persistent: vm.persistent ?? defaults.persistent ?? false,
      layer: layerIn(document, base, ['vms', key], vm),
    })),
  });
}

/** The named VMs and their dependencies in file order; all VMs when none is named. */
export function selectVms(file: Transientfile, names: readonly string[]): Result<VmEntry[]> {
  const byName = new Map(file.vms.map((vm) => [vm.name, vm]));
  const problems = names
    .filter((given) => !byName.has(given))
    .map((given) => unknownVm(given, [...byName.keys()]));
  if (problems.length > 0) return failed(...problems);
  const selected = new Set<string>();
  const select = (vm: string): void => {
    if (selected.has(vm)) return;
    selected.add(vm);
    byName.get(vm)?.dependsOn.forEach((dependency) => select(dependency.vm));
  };
  (names.length > 0 ? names : [...byName.keys()]).forEach(select);
  return ok(file.vms.filter((vm) => selected.has(vm.name)));
}

function unknownVm(given: string, names: readonly string[]): Problem {
  return {
    reason: 'usage',
    message: `there is no VM "${given}" in the file`,
    where: { kind: 'flag', flag: 'VM', value: given },
    hint: didYouMean(given, names) ?? `VMs of the file: ${names.join(', ')}`,
  };
}

/** Project name from the file, possibly invalid, or from the directory. */
function projectOf({ data }: Document, base: string): string {
  const name = (data['project'] as { name?: unknown } | undefined)?.name;
  return typeof name === 'string' ? name : projectNameFrom(base);
}

/** Default name of a project: that of its directory, without characters that names cannot contain. */
export function projectNameFrom(base: string): string {
  const cleaned = basename(base)
    .replaceAll(/[^A-Za-z0-9_.-]+/g, '-')
    .replaceAll(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '');
  return cleaned.slice(0, 63) || 'project';
}
