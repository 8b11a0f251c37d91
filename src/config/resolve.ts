import type { Layer } from '../options/layer.ts';
import type { ImageRef } from '../options/option.ts';
import { parseImageRef } from '../options/option.ts';
import type { Result } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import type { ResolvedVm } from './conflicts.ts';
import { neverDone, ownConflicts, sharedImageNames, sharedStates, sharedTerminal } from './conflicts.ts';
import type { Environment, Merged } from './merge.ts';
import { absoluteImage, mergeLayers, overStored, storesOf } from './merge.ts';
import { sharedPorts } from './ports.ts';
import type { StoredVm } from './stored.ts';
import { storedTexts } from './stored.ts';
import type { Transientfile, VmEntry } from './transientfile.ts';
import { changeableFiles } from './protected-files.ts';
import type { VmFacts, WantedImage } from './resolve-vm.ts';
import { formatImageRef, resolveVm } from './resolve-vm.ts';
import type { StateSpec, VmSpec } from './vm-spec.ts';

/** A named VM, with what is stored of it where it exists. */
export interface NamedVm {
  readonly name: string;
  readonly stored: StoredVm | undefined;
}

/** What a VM of a Transientfile is called while it runs. */
export function instanceName(file: Transientfile, entry: VmEntry): string {
  return `${file.project}-${entry.name}`;
}

/** The name that a VM of a Transientfile has in the VM store; undefined for one that keeps nothing. */
export function storedName(file: Transientfile, entry: VmEntry): string | undefined {
  return entry.storeName ?? (entry.persistent ? instanceName(file, entry) : undefined);
}

/** The VM store of one VM of a Transientfile. */
export function storeOfEntry(
  file: Transientfile,
  entry: VmEntry,
  above: readonly Layer[],
  environment: Environment,
): string {
  return storesOf(mergeLayers([file.defaults, entry.layer, ...above]).values, environment).vmstore;
}

/** What holds for all VMs of a project alike. */
interface OfAll {
  /** Tells this run from others of the project. */
  readonly unique: string;
  readonly detached: boolean;
  /** Files of the host that no guest may change. */
  readonly unchanged: readonly string[];
}

/**
 * The VMs of a Transientfile that were selected, with the command line over them. `stored` has what is stored of the
 * named ones among them that exist, by their keys in the file.
 */
export function resolveProject(
  file: Transientfile,
  selected: readonly VmEntry[],
  above: readonly Layer[],
  environment: Environment,
  stored: ReadonlyMap<string, StoredVm> = new Map(),
  manner: Partial<OfAll> = {},
): Result<VmSpec[]> {
  const alone = selected.length === 1;
  const vms = selected.map((entry) =>
    resolveEntry(file, entry, alone, above, environment, stored.get(entry.name), manner),
  );
  const problems = [
    ...vms.flatMap((vm) => ownConflicts(vm, stored.get(vm.spec.name))),
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
  above: readonly Layer[],
  environment: Environment,
  stored: StoredVm | undefined,
  { unique = '', detached = false, unchanged = [] }: Partial<OfAll>,
): ResolvedVm {
  // of a VM that "up" created the file says today what it said then
  const kept = stored?.typed ?? stored?.layer;
  const merged = mergeLayers(overStored(kept, [file.defaults, entry.layer], above));
  const image = imageOf(file, entry.image);
  const said = mergeLayers([file.defaults, entry.layer, ...above]).values;
  const typed = mergeLayers(above).values;
  const instance = instanceName(file, entry);
  const name = storedName(file, entry);
  const facts: VmFacts = {
    name: entry.name,
    instance: name ?? instance,
    image,
    extraImages: (merged.values['extra-image'] ?? []).map((spec) => imageOf(file, spec)),
    dependsOn: entry.dependsOn,
    networks: entry.networks,
    alone,
    detached,
    state:
      name === undefined
        ? undefined
        : stateOf({ name, stored }, merged, environment, () =>
            storedTexts(name, formatImageRef(image), said, typed),
          ),
    isPythons: stored?.isOurs === false,
    temporaryName: `${instance}${TEMPORARY}${unique}`,
    unchanged,
  };
  return { spec: resolveVm(facts, merged, environment), merged };
}

/** Between the name of an instance and what makes it unique, in the name of a temporary VM. */
const TEMPORARY = '.run-';

function stateOf(
  { name, stored }: NamedVm,
  merged: Merged,
  environment: Environment,
  creation: () => NonNullable<StateSpec['creation']>,
): StateSpec {
  const { vmstore } = storesOf(merged.values, environment);
  return { name, vmstore, temporary: false, ...(stored === undefined ? { creation: creation() } : {}) };
}

/** A named VM that exists, with what a command line says over what is stored. */
export function resolveStored(
  { name, stored }: { name: string; stored: StoredVm },
  above: readonly Layer[],
  environment: Environment,
): Result<VmSpec> {
  const merged = mergeLayers(overStored(stored.layer, [], above));
  const created = stored.layer.values['extra-image'] ?? [];
  const facts: VmFacts = {
    name,
    instance: name,
    image: knownRef(stored.primaryImage),
    extraImages: created.map(knownRef),
    dependsOn: [],
    networks: [],
    alone: true,
    state: { name, vmstore: storesOf(merged.values, environment).vmstore, temporary: false },
    isPythons: !stored.isOurs,
    temporaryName: name,
  };
  return checked({ spec: resolveVm(facts, merged, environment), merged }, stored);
}

/** The one VM of `run IMAGE` and `create IMAGE` that does not exist yet; without a name its state is not kept. */
export function resolveRun(
  image: string,
  layers: readonly Layer[],
  base: string,
  environment: Environment,
  who: { readonly name: string } | { readonly instance: string },
): Result<VmSpec> {
  const merged = mergeLayers(layers);
  const spec = absoluteImage(image, base);
  const ref = parseImageRef(spec);
  if (typeof ref === 'string') {
    return failed({
      reason: 'usage',
      message: `IMAGE ${ref}`,
      where: { kind: 'flag', flag: 'IMAGE', value: image },
      hint: 'it is NAME, NAME,file=PATH or NAME,http=URL, or USER/BOX:VERSION',
    });
  }
  const extraImages = (merged.values['extra-image'] ?? []).map(knownRef);
  const facts: VmFacts = {
    name: 'name' in who ? who.name : 'vm',
    instance: 'name' in who ? who.name : who.instance,
    image: ref,
    extraImages,
    dependsOn: [],
    networks: [],
    alone: true,
    state:
      'name' in who
        ? stateOf({ name: who.name, stored: undefined }, merged, environment, () =>
            storedTexts(who.name, spec, merged.values),
          )
        : undefined,
    temporaryName: 'name' in who ? who.name : who.instance,
  };
  return checked({ spec: resolveVm(facts, merged, environment), merged });
}

/** An image by its name in `[images]`, else by its spec, which was checked when the file was read. */
function imageOf({ images, base }: Transientfile, said: string): WantedImage {
  const entry = images.get(said);
  const ref = knownRef(absoluteImage(entry === undefined ? said : `${said},${entry.source}`, base));
  return entry?.sha256 === undefined ? ref : { ...ref, sha256: entry.sha256.toLowerCase() };
}

function knownRef(spec: string): ImageRef {
  const ref = parseImageRef(spec);
  if (typeof ref === 'string') throw new Error(`an image spec that was not checked: ${spec}`);
  return ref;
}

/** A VM whose options are checked against each other. */
function checked(resolved: ResolvedVm, stored?: StoredVm): Result<VmSpec> {
  const problems = [...ownConflicts(resolved, stored), ...sharedPorts([resolved])];
  return problems.length > 0 ? failed(...problems) : ok(resolved.spec);
}
