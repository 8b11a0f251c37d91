import type { Layer } from '../options/layer.ts';
import type { ImageRef } from '../options/values/image-spec.ts';
import { withImpliedSource } from '../options/values/image-spec.ts';
import type { Result } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import type { ResolvedVm } from './conflicts.ts';
import { neverDone, vmConflicts, sharedImageNames, sharedStates, sharedTerminal } from './conflicts.ts';
import type { Environment } from './merge.ts';
import { mergeLayers, overStored, storesOf } from './merge.ts';
import { sharedPorts } from './ports.ts';
import type { StoredVm } from './stored-vm.ts';
import { storedTexts } from './stored-vm.ts';
import type { Transientfile, VmEntry } from './transientfile.ts';
import { changeableFiles } from './protected-files.ts';
import type { VmFacts } from './resolve-vm.ts';
import { resolveVm } from './resolve-vm.ts';
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
  const vms = selected.map((entry) =>
    resolveEntry(file, entry, alone, upper, environment, stored.get(entry.name), facts),
  );
  const problems = [
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
  { unique = '', detached = false, unchanged = [] }: Partial<ProjectFacts>,
): ResolvedVm {
  // for a VM created by "up", only typed options are taken from the store: the rest comes from today's file
  const storedLayer = stored?.typed ?? stored?.layer;
  const merged = mergeLayers(overStored(storedLayer, [file.defaults, entry.layer], upper));
  const image = imageOf(file, entry.image);
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
    extraImages: merged.option('extra-image').map((spec) => imageOf(file, spec)),
    dependsOn: entry.dependsOn,
    networks: entry.networks,
    alone,
    detached,
    ...(name === undefined ? {} : { persistent: { name, ...creation(name) } }),
    isPythons: stored?.isOurs === false,
    temporaryName: `${instance}${TEMPORARY}${unique}`,
    unchanged,
  };
  return { spec: resolveVm(facts, merged, environment), merged };
}

/** Separates the instance name from the unique suffix in the name of a temporary VM. */
const TEMPORARY = '.run-';

/** Resolves a stored VM, its options overridden by the upper layers. */
export function resolveStored(
  { name, stored }: { name: string; stored: StoredVm },
  upper: readonly Layer[],
  environment: Environment,
): Result<VmSpec> {
  const merged = mergeLayers(overStored(stored.layer, [], upper));
  const facts: VmFacts = {
    name,
    instance: name,
    image: withImpliedSource(stored.primaryImage),
    extraImages: (stored.layer.values['extra-image'] ?? []).map(withImpliedSource),
    persistent: { name },
    isPythons: !stored.isOurs,
  };
  return checked({ spec: resolveVm(facts, merged, environment), merged }, stored);
}

/** Resolves the new VM of `run IMAGE` and `create IMAGE`; without a name it has no persistent state. */
export function resolveRun(
  image: ImageRef,
  layers: readonly Layer[],
  environment: Environment,
  who: { readonly name: string } | { readonly instance: string },
): Result<VmSpec> {
  const merged = mergeLayers(layers);
  const images = {
    image: withImpliedSource(image),
    extraImages: merged.option('extra-image').map(withImpliedSource),
  };
  const facts: VmFacts =
    'name' in who
      ? {
          name: who.name,
          instance: who.name,
          ...images,
          persistent: { name: who.name, creation: storedTexts(who.name, image, merged.values) },
        }
      : { name: 'vm', instance: who.instance, ...images };
  return checked({ spec: resolveVm(facts, merged, environment), merged });
}

/** Looks up an image without a source in `[images]`. */
function imageOf({ images }: Transientfile, image: ImageRef): WantedImage {
  const named = image.source === undefined ? images.get(image.name) : undefined;
  return named ?? withImpliedSource(image);
}

/** Checks the options of one VM for conflicts. */
function checked(resolved: ResolvedVm, stored?: StoredVm): Result<VmSpec> {
  const problems = [...vmConflicts(resolved, stored), ...sharedPorts([resolved])];
  return problems.length > 0 ? failed(...problems) : ok(resolved.spec);
}
