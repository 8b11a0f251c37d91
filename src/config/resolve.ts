import type { Layer } from '../options/layer.ts';
import type { ImageRef } from '../options/values/image-spec.ts';
import type { KeyPath, Problem, Result, Where } from '../problem.ts';
import { all, failed, ok } from '../problem.ts';
import type { ResolvedVm } from './conflicts.ts';
import { neverDone, vmConflicts, sharedImageNames, sharedStates, sharedTerminal } from './conflicts.ts';
import type { ImageLookup } from './image-lookup.ts';
import { impliedSource } from './image-lookup.ts';
import { inFile } from './locate.ts';
import type { Environment, Merged } from './merge.ts';
import { mergeLayers, overStored, storesOf } from './merge.ts';
import { sharedPorts } from './ports.ts';
import type { StoredVm } from './stored-vm.ts';
import { imagesOf, storedTexts } from './stored-vm.ts';
import type { Transientfile, VmEntry } from './transientfile.ts';
import { changeableFiles } from './protected-files.ts';
import type { VmFacts } from './resolve-vm.ts';
import { resolveVm } from './resolve-vm.ts';
import { valueOf } from './vm-keys.ts';
import type { StateSpec, VmSpec, WantedImage } from './vm-spec.ts';

/** Name of a running VM of a Transientfile. */
export function instanceName(file: Transientfile, entry: VmEntry): string {
  return `${file.project}-${entry.name}`;
}

/** Name of a VM of a Transientfile in the VM store; undefined for a VM without persistent state. */
export function storedName(file: Transientfile, entry: VmEntry): string | undefined {
  return entry.storeName ?? (entry.persistent ? instanceName(file, entry) : undefined);
}

/** The VM store of one VM of a Transientfile. */
export function storeOfEntry(
  file: Transientfile,
  entry: VmEntry,
  upper: readonly Layer[],
  environment: Environment,
): string {
  return storesOf(mergeLayers([file.defaults, entry.layer, ...upper]).values, environment).vmstore;
}

/** Facts shared by all VMs of a project. */
interface ProjectFacts {
  /** Suffix that distinguishes this run from others of the project. */
  readonly unique: string;
  readonly detached: boolean;
  /** Host files that no guest may change. */
  readonly unchanged: readonly string[];
  readonly lookup: ImageLookup;
}

/**
 * Resolves the selected VMs of a Transientfile, overridden by the upper layers. `stored` maps keys of the file to the
 * stored configuration of named VMs that exist.
 */
export function resolveProject(
  file: Transientfile,
  selected: readonly VmEntry[],
  upper: readonly Layer[],
  environment: Environment,
  stored: ReadonlyMap<string, StoredVm> = new Map(),
  facts: Partial<ProjectFacts> = {},
): Result<VmSpec[]> {
  const alone = selected.length === 1;
  const entries = selected.map((entry) =>
    resolveEntry(file, entry, alone, upper, environment, stored.get(entry.name), facts),
  );
  const vms = entries.map(({ vm }) => vm);
  const problems = [
    ...entries.flatMap((entry) => entry.problems),
    ...vms.flatMap((vm) => vmConflicts(vm, stored.get(vm.spec.name))),
    ...sharedTerminal(vms),
    ...sharedPorts(vms),
    ...sharedImageNames(file, vms),
    ...sharedStates(file, vms),
    ...neverDone(file, vms),
    ...changeableFiles(file, vms),
  ];
  return problems.length > 0 ? failed(...problems) : ok(vms.map(({ spec }) => spec));
}

function resolveEntry(
  file: Transientfile,
  entry: VmEntry,
  alone: boolean,
  upper: readonly Layer[],
  environment: Environment,
  stored: StoredVm | undefined,
  { unique = '', detached = false, unchanged = [], lookup = impliedSource }: Partial<ProjectFacts>,
): { readonly vm: ResolvedVm; readonly problems: readonly Problem[] } {
  // for a VM created by "up", only typed options are taken from the store: the rest comes from today's file
  const storedLayer = stored?.typed ?? stored?.layer;
  const merged = mergeLayers(overStored(storedLayer, [file.defaults, entry.layer], upper));
  const images = imagesOfEntry(file, entry, merged, environment, lookup);
  const { image } = images;
  const values = mergeLayers([file.defaults, entry.layer, ...upper]).values;
  const typed = mergeLayers(upper).values;
  const instance = instanceName(file, entry);
  const name = storedName(file, entry);
  const creation = (of: string): Pick<StateSpec, 'creation'> =>
    stored === undefined ? { creation: storedTexts(of, image, values, typed) } : {};
  const facts: VmFacts = {
    name: entry.name,
    instance: name ?? instance,
    image,
    extraImages: images.extraImages,
    dependsOn: entry.dependsOn,
    networks: entry.networks,
    alone,
    detached,
    ...(name === undefined ? {} : { persistent: { name, ...creation(name) } }),
    isPythons: stored?.isOurs === false,
    temporaryName: `${instance}${TEMPORARY}${unique}`,
    unchanged,
  };
  return { vm: { spec: resolveVm(facts, merged, environment), merged }, problems: images.problems };
}

/** Separates the instance name from the unique suffix in the name of a temporary VM. */
const TEMPORARY = '.run-';

/** Resolves a stored VM, its options overridden by the upper layers. */
export function resolveStored(
  { name, stored }: { name: string; stored: StoredVm },
  upper: readonly Layer[],
  environment: Environment,
  lookup = impliedSource,
): Result<VmSpec> {
  const merged = mergeLayers(overStored(stored.layer, [], upper));
  const images = lookedUp(imagesOf(stored), merged, environment, lookup);
  if (!images.ok) return images;
  const facts: VmFacts = {
    name,
    instance: name,
    ...images.value,
    persistent: { name },
    isPythons: !stored.isOurs,
  };
  return checked({ spec: resolveVm(facts, merged, environment), merged }, stored);
}

/** Resolves the new VM of `run IMAGE` and `create IMAGE`; without a name it has no persistent state. */
export function resolveRun(
  operand: ImageRef,
  layers: readonly Layer[],
  environment: Environment,
  who: { readonly name: string } | { readonly instance: string },
  lookup = impliedSource,
): Result<VmSpec> {
  const merged = mergeLayers(layers);
  const images = lookedUp([operand, ...merged.option('extra-image')], merged, environment, lookup);
  if (!images.ok) return images;
  const { image } = images.value;
  const facts: VmFacts =
    'name' in who
      ? {
          name: who.name,
          instance: who.name,
          ...images.value,
          persistent: { name: who.name, creation: storedTexts(who.name, image, merged.values) },
        }
      : { name: 'vm', instance: who.instance, ...images.value };
  return checked({ spec: resolveVm(facts, merged, environment), merged });
}

/** The images of one VM. */
type VmImages = Pick<VmFacts, 'image' | 'extraImages'>;

function lookedUp(
  images: readonly ImageRef[],
  { values }: Merged,
  environment: Environment,
  lookup: ImageLookup,
): Result<VmImages> {
  const { backend } = storesOf(values, environment);
  const found = all(images.map((one) => lookup(one, backend)));
  if (!found.ok) return found;
  const [image = { name: '' }, ...extraImages] = found.value;
  return ok({ image, extraImages });
}

/** The images of a VM of a Transientfile, and the problems with them. */
function imagesOfEntry(
  file: Transientfile,
  entry: VmEntry,
  merged: Merged,
  environment: Environment,
  lookup: ImageLookup,
): VmImages & { readonly problems: readonly Problem[] } {
  const { backend } = storesOf(merged.values, environment);
  const problems: Problem[] = [];
  const find = (image: ImageRef, where: Where | undefined): WantedImage => {
    const named = image.source === undefined ? file.images.get(image.name) : undefined;
    const found = lookup(named ?? image, backend);
    if (found.ok) return found.value;
    const place =
      named === undefined ? where : inFile(file.document, ['images', named.name, 'source'], 'value');
    problems.push(...found.problems.map((problem) => ({ ...problem, where: problem.where ?? place })));
    return image;
  };
  const path: KeyPath = valueOf(file.document, entry.name, 'image')?.path ?? ['vms', entry.name];
  return {
    image: find(entry.image, inFile(file.document, path, 'value')),
    extraImages: merged.option('extra-image').map((image) => find(image, merged.where('extra-image'))),
    problems,
  };
}

/** Checks the options of one VM for conflicts. */
function checked(resolved: ResolvedVm, stored?: StoredVm): Result<VmSpec> {
  const problems = [...vmConflicts(resolved, stored), ...sharedPorts([resolved])];
  return problems.length > 0 ? failed(...problems) : ok(resolved.spec);
}
