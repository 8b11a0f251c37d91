import { isAbsolute, join, resolve } from 'node:path';
import type { Layer } from '../options/layer.ts';
import type { CopyPair, ImageRef } from '../options/option.ts';
import { formatImageSource, parseCopyIn, parseCopyOut, parseImageRef } from '../options/option.ts';
import type { OptionName, OptionValues } from '../options/table.ts';
import { OPTION_NAMES, OPTION_TABLE } from '../options/table.ts';
import type { Problem, Result, Where } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import { inFile } from './placement.ts';
import type { StoredVm } from './stored.ts';
import { storedTexts, temporaryTexts } from './stored.ts';
import type { Transientfile, VmEntry } from './transientfile.ts';
import type {
  BuilderSpec,
  Connection,
  CopiesSpec,
  Ending,
  ImageNeed,
  MachineSpec,
  SshSpec,
  StateSpec,
  VmSpec,
} from './vm-spec.ts';

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
  return OPTION_TABLE[name].path === true ? resolve(base, value as string) : value;
}

/** A pair whose path of the host is absolute; a slash at its end has a meaning and stays. */
function absolutePair(said: string, parse: typeof parseCopyIn, base: string): string {
  const { host, guest } = knownPair(said, parse);
  const path = `${resolve(base, host)}${host.endsWith('/') ? '/' : ''}`;
  return parse === parseCopyIn ? `${path}:${guest}` : `${guest}:${path}`;
}

function knownPair(said: string, parse: typeof parseCopyIn): CopyPair {
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

/** An image and the sum that was said of it. */
type WantedImage = ImageRef & Pick<ImageNeed, 'sha256'>;

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

/** What a VM is, before its options: where it was said and what it was called. */
interface VmFacts {
  readonly name: string;
  readonly instance: string;
  readonly image: WantedImage;
  readonly extraImages: readonly WantedImage[];
  readonly dependsOn: readonly string[];
  /** Whether it is the only VM of the plan: then it must have something to connect to. */
  readonly alone: boolean;
  readonly state: StateSpec | undefined;
  /** The name in the VM store that it has while it runs, should its copies need a place there. */
  readonly temporaryName: string;
}

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

/**
 * The VMs of a Transientfile that were selected, with the command line over them. `stored` has what is stored of the
 * named ones among them that exist, by their keys in the file; `unique` tells this run from others of the project.
 */
export function resolveProject(
  file: Transientfile,
  selected: readonly VmEntry[],
  above: readonly Layer[],
  environment: Environment,
  stored: ReadonlyMap<string, StoredVm> = new Map(),
  unique = '',
): Result<VmSpec[]> {
  const alone = selected.length === 1;
  const vms = selected.map((entry) =>
    resolveEntry(file, entry, alone, above, environment, stored.get(entry.name), unique),
  );
  const problems = [
    ...vms.flatMap(consoleCopies),
    ...vms.flatMap((vm) => lateDisks(vm, stored.get(vm.spec.name))),
    ...sharedTerminal(vms),
    ...sharedPorts(vms),
    ...sharedImageNames(file, vms),
    ...sharedStates(file, vms),
  ];
  return problems.length > 0 ? failed(...problems) : ok(vms.map(({ spec }) => spec));
}

/** A VM and the merge it came from, which knows where each option was said. */
interface ResolvedVm {
  readonly spec: VmSpec;
  readonly merged: Merged;
}

function resolveEntry(
  file: Transientfile,
  entry: VmEntry,
  alone: boolean,
  above: readonly Layer[],
  environment: Environment,
  stored: StoredVm | undefined,
  unique: string,
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
    alone,
    state:
      name === undefined
        ? undefined
        : stateOf({ name, stored }, merged, environment, () =>
            storedTexts(name, formatImageRef(image), said, typed),
          ),
    temporaryName: `${instance}${TEMPORARY}${unique}`,
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

/**
 * Layers with what is stored of a VM between those of a file and those above. A list that is said again, just as it is
 * stored, is not a second one: a command that is repeated means the same.
 */
function overStored(
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
    alone: true,
    state: { name, vmstore: storesOf(merged.values, environment).vmstore, temporary: false },
    temporaryName: name,
  };
  const resolved = { spec: resolveVm(facts, merged, environment), merged };
  const problems = [...consoleCopies(resolved), ...lateDisks(resolved, stored)];
  return problems.length > 0 ? failed(...problems) : ok(resolved.spec);
}

/** Further disks that are said of a VM which was created without them. */
function lateDisks({ spec, merged }: ResolvedVm, stored: StoredVm | undefined): Problem[] {
  const nameOf = (image: string): string => image.replace(/,.*/s, '');
  const created = (stored?.layer.values['extra-image'] ?? []).map(nameOf);
  const late = (merged.values['extra-image'] ?? []).map(nameOf).filter((image) => !created.includes(image));
  if (stored === undefined || late.length === 0) return [];
  const name = spec.state?.name ?? spec.name;
  const where = merged.where('extra-image');
  return [
    {
      reason: 'conflict',
      message: `VM '${name}' exists already, and disks are added only when a VM is created`,
      ...(where ? { where } : {}),
      hint: `remove it first (transient rm ${name}), or leave the extra image out`,
    },
  ];
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
    });
  }
  const extraImages = (merged.values['extra-image'] ?? []).map(knownRef);
  const facts: VmFacts = {
    name: 'name' in who ? who.name : 'vm',
    instance: 'name' in who ? who.name : who.instance,
    image: ref,
    extraImages,
    dependsOn: [],
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

/** An image spec as {@link parseImageRef} reads it. */
function formatImageRef({ name, source }: ImageRef): string {
  return source === undefined ? name : `${name},${formatImageSource(source)}`;
}

function knownRef(spec: string): ImageRef {
  const ref = parseImageRef(spec);
  if (typeof ref === 'string') throw new Error(`an image spec that was not checked: ${spec}`);
  return ref;
}

function resolveVm(facts: VmFacts, merged: Merged, environment: Environment): VmSpec {
  const option = optionIn(merged);
  const connection = connectionOf(facts, merged);
  const { backend, vmstore } = storesOf(merged.values, environment);
  const copies = copiesOf(merged);
  const state = facts.state ?? temporaryState(facts, copies, vmstore);
  const machine: MachineSpec = {
    program: option('qemu-bin-name'),
    memory: String(option('memory')),
    cpus: option('cpus'),
    accel: option('accel'),
    virtioScsi: !option('no-virtio-scsi'),
    qmpTimeout: option('qmp-timeout'),
    qemuArgs: merged.values['qemu-args'] ?? [],
  };
  const wantsCard =
    connection.kind !== 'qemu-console' || merged.said('ssh-port') || merged.said('ssh-net-driver');
  const keepsSomething = state !== undefined || copies.out.length > 0;
  return {
    name: facts.name,
    instance: facts.instance,
    images: [needOf(facts.image, backend), ...facts.extraImages.map((image) => needOf(image, backend))],
    ...(state ? { state } : {}),
    copies,
    connection,
    ...(wantsCard ? { ssh: sshOf(merged) } : {}),
    machine,
    ending: endingOf(
      machine,
      connection,
      option('shutdown-timeout'),
      keepsSomething || merged.said('shutdown-timeout'),
    ),
    dependsOn: facts.dependsOn,
    vmstore,
  };
}

function copiesOf({ values }: Merged): CopiesSpec {
  const { rsync = false, 'direct-copy': direct = false, 'copy-timeout': timeout } = values;
  const pairs = (said: readonly string[] | undefined, parse: typeof parseCopyIn): CopiesSpec['in'] =>
    (said ?? []).map((pair) => ({ ...knownPair(pair, parse), rsync }));
  return {
    in: pairs(values['copy-in-before'], parseCopyIn),
    out: pairs(values['copy-out-after'], parseCopyOut),
    direct,
    ...(timeout === undefined ? {} : { timeout }),
    builder: builderOf(values),
  };
}

/** The user's own parts of the builder VM, as the options name them. */
export function builderOf(values: Merged['values']): BuilderSpec {
  const { 'builder-kernel': kernel, 'builder-initrd': initrd } = values;
  return { ...(kernel === undefined ? {} : { kernel }), ...(initrd === undefined ? {} : { initrd }) };
}

/** The builder works on disks of a stored VM: one without a name gets a place that is gone when its run ends. */
function temporaryState(
  { temporaryName: name, image }: VmFacts,
  { in: before, out: after, direct }: CopiesSpec,
  vmstore: string,
): StateSpec | undefined {
  if (direct || before.length + after.length === 0) return undefined;
  const creation = temporaryTexts(name, formatImageRef(image));
  return { name, vmstore, temporary: true, creation };
}

function connectionOf({ alone }: VmFacts, { values }: Merged): Connection {
  const serial = values['ssh-with-serial'] ?? false;
  const command = values['ssh-command'];
  if (command !== undefined) return { kind: 'ssh-command', command, serial };
  if (serial || values['ssh-console'] === true) return { kind: 'ssh-console', serial };
  return { kind: alone ? 'qemu-console' : 'service' };
}

function needOf(image: WantedImage, backend: string): ImageNeed {
  return { ...image, backend };
}

/** The value of an option, or its default. */
function optionIn({ values }: Merged): <K extends OptionName>(name: K) => OptionValues[K] {
  return <K extends OptionName>(name: K) => (values[name] ?? OPTION_TABLE[name].default) as OptionValues[K];
}

/** How a guest is reached, as the options say it. */
export function sshOf(merged: Merged): SshSpec {
  const option = optionIn(merged);
  const { values } = merged;
  const port = values['ssh-port'];
  return {
    user: option('ssh-user'),
    program: option('ssh-bin-name'),
    timeout: option('ssh-timeout'),
    options: values['ssh-option'] ?? [],
    ...(port === undefined ? {} : { port }),
    netDriver: option('ssh-net-driver'),
  };
}

/** Nothing of a stateless VM is kept, so it need not be asked, unless its own QEMU arguments hold a disk or a share. */
function endingOf(machine: MachineSpec, connection: Connection, timeout: number, orderly: boolean): Ending {
  const keepsNothing = !machine.qemuArgs.some((argument) => DATA_ARGUMENT.test(argument));
  if (keepsNothing && !orderly && connection.kind !== 'qemu-console') return { kind: 'at-once' };
  return { kind: 'orderly', timeout };
}

const DATA_ARGUMENT =
  /^--?(drive|blockdev|hd[a-d]|sd|mtdblock|pflash|fsdev|virtfs|usbdevice)$|^(nvme|usb-storage|virtio-blk|scsi-|ide-|virtio-9p|vhost-user-fs)/;

/** Copies over ssh happen between the guest's readiness and a session, which QEMU's console does not have. */
function consoleCopies({ spec, merged }: ResolvedVm): Problem[] {
  const { direct, in: before, out: after } = spec.copies;
  if (!direct || before.length + after.length === 0 || spec.connection.kind !== 'qemu-console') return [];
  const where = merged.where('direct-copy');
  return [
    {
      reason: 'conflict',
      message: 'direct-copy goes over ssh, and this VM is connected to by the console of QEMU',
      ...(where ? { where } : {}),
      hint: 'add ssh-console or ssh-command, or leave direct-copy out',
    },
  ];
}

/** A VM whose options are checked against each other. */
function checked(resolved: ResolvedVm): Result<VmSpec> {
  const problems = consoleCopies(resolved);
  return problems.length > 0 ? failed(...problems) : ok(resolved.spec);
}

/** VMs that both want the terminal: only one console can be open, and boot messages belong before one. */
function sharedTerminal(vms: readonly ResolvedVm[]): Problem[] {
  const [first, ...others] = vms.filter(({ spec }) => wantsTerminal(spec.connection));
  if (first === undefined) return [];
  return others.map(({ spec, merged }) => {
    const where = merged.where('ssh-console') ?? merged.where('ssh-with-serial');
    return {
      reason: 'conflict',
      message: `VMs "${first.spec.name}" and "${spec.name}" both want the terminal`,
      ...(where ? { where } : {}),
      hint: 'give one of them an ssh-command, or select one: transient up VM',
    };
  });
}

function wantsTerminal(connection: Connection): boolean {
  if (connection.kind === 'ssh-command') return connection.serial;
  return connection.kind !== 'service';
}

/** One name stands for one image: two sources for it would leave the choice to chance. */
function sharedImageNames({ document }: Transientfile, vms: readonly ResolvedVm[]): Problem[] {
  const first = new Map<string, ImageNeed>();
  return vms.flatMap(({ spec }) =>
    spec.images.flatMap((image): Problem[] => {
      const key = JSON.stringify([image.backend, image.name]);
      const known = first.get(key) ?? image;
      first.set(key, known);
      if (sourceText(known) === sourceText(image)) return [];
      return [
        {
          reason: 'conflict',
          message: `image "${image.name}" has two sources: ${sourceText(known)} and ${sourceText(image)}`,
          where: inFile(document, ['vms', spec.name, 'image'], 'value'),
          hint: 'give each image a name of its own',
        },
      ];
    }),
  );
}

function sourceText({ source, sha256 }: ImageNeed): string {
  const from = source === undefined ? 'none' : formatImageSource(source);
  return sha256 === undefined ? from : `${from} (sha256 ${sha256})`;
}

/** A VM of the store has one place in it, which only one VM of a file can have. */
function sharedStates({ document }: Transientfile, vms: readonly ResolvedVm[]): Problem[] {
  return vms.flatMap(({ spec }, index): Problem[] => {
    const same = (other: ResolvedVm): boolean =>
      other.spec.state?.name === spec.state?.name && other.spec.state?.vmstore === spec.state?.vmstore;
    const earlier = spec.state && vms.slice(0, index).find(same);
    if (earlier === undefined) return [];
    return [
      {
        reason: 'conflict',
        message: `VMs "${earlier.spec.name}" and "${spec.name}" have the same name '${spec.state?.name}' in the VM store`,
        where: inFile(document, ['vms', spec.name, 'name'], 'value'),
        hint: 'give each VM a name of its own',
      },
    ];
  });
}

/** A port of the host that was given to several VMs: told where the second one is said. */
function sharedPorts(vms: readonly ResolvedVm[]): Problem[] {
  return vms.flatMap(({ spec, merged }, index): Problem[] => {
    const port = spec.ssh?.port;
    const earlier = vms.slice(0, index).find((other) => other.spec.ssh?.port === port);
    if (port === undefined || earlier === undefined) return [];
    const where = merged.where('ssh-port');
    return [
      {
        reason: 'conflict',
        message: `VMs "${earlier.spec.name}" and "${spec.name}" have the same ssh-port ${port}`,
        ...(where ? { where } : {}),
        hint: 'give each VM its own port, or none: then a free one is picked',
      },
    ];
  });
}
