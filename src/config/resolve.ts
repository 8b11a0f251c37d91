import { isAbsolute, join, resolve } from 'node:path';
import type { Layer } from '../options/layer.ts';
import type { ImageRef } from '../options/option.ts';
import { formatImageSource, parseImageRef } from '../options/option.ts';
import type { OptionName, OptionValues } from '../options/table.ts';
import { OPTION_NAMES, OPTION_TABLE } from '../options/table.ts';
import type { Problem, Result, Where } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import { inFile } from './placement.ts';
import type { Transientfile, VmEntry } from './transientfile.ts';
import type { Connection, Ending, ImageNeed, MachineSpec, SshSpec, VmSpec } from './vm-spec.ts';

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
  return OPTION_TABLE[name].path === true ? resolve(base, value as string) : value;
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
}

/** The VMs of a Transientfile that were selected, with the command line over them. */
export function resolveProject(
  file: Transientfile,
  selected: readonly VmEntry[],
  above: readonly Layer[],
  environment: Environment,
): Result<VmSpec[]> {
  const vms = selected.map((entry) => resolveEntry(file, entry, selected.length === 1, above, environment));
  const problems = [...sharedTerminal(vms), ...sharedPorts(vms), ...sharedImageNames(file, vms)];
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
): ResolvedVm {
  const merged = mergeLayers([file.defaults, entry.layer, ...above]);
  const facts: VmFacts = {
    name: entry.name,
    instance: `${file.project}-${entry.name}`,
    image: imageOf(file, entry.image),
    extraImages: (merged.values['extra-image'] ?? []).map((spec) => imageOf(file, spec)),
    dependsOn: entry.dependsOn,
    alone,
  };
  return { spec: resolveVm(facts, merged, environment), merged };
}

/** The one VM of `run IMAGE`. */
export function resolveRun(
  image: string,
  layers: readonly Layer[],
  base: string,
  environment: Environment,
): Result<VmSpec> {
  const merged = mergeLayers(layers);
  const ref = parseImageRef(absoluteImage(image, base));
  if (typeof ref === 'string') {
    return failed({
      reason: 'usage',
      message: `IMAGE ${ref}`,
      where: { kind: 'flag', flag: 'IMAGE', value: image },
    });
  }
  const extraImages = (merged.values['extra-image'] ?? []).map(knownRef);
  const facts: VmFacts = {
    name: 'vm',
    instance: ref.name,
    image: ref,
    extraImages,
    dependsOn: [],
    alone: true,
  };
  return ok(resolveVm(facts, merged, environment));
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

function resolveVm(facts: VmFacts, merged: Merged, environment: Environment): VmSpec {
  const option = <K extends OptionName>(name: K): OptionValues[K] =>
    (merged.values[name] ?? OPTION_TABLE[name].default) as OptionValues[K];
  const connection = connectionOf(facts, merged);
  const { backend } = storesOf(merged.values, environment);
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
  return {
    name: facts.name,
    instance: facts.instance,
    images: [needOf(facts.image, backend), ...facts.extraImages.map((image) => needOf(image, backend))],
    connection,
    ...(wantsCard ? { ssh: sshOf(option, merged) } : {}),
    machine,
    ending: endingOf(machine, connection, option('shutdown-timeout'), merged.said('shutdown-timeout')),
    dependsOn: facts.dependsOn,
  };
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

function sshOf(option: <K extends OptionName>(name: K) => OptionValues[K], { values }: Merged): SshSpec {
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
function endingOf(machine: MachineSpec, connection: Connection, timeout: number, said: boolean): Ending {
  const keepsNothing = !machine.qemuArgs.some((argument) => DATA_ARGUMENT.test(argument));
  if (keepsNothing && !said && connection.kind !== 'qemu-console') return { kind: 'at-once' };
  return { kind: 'orderly', timeout };
}

const DATA_ARGUMENT =
  /^--?(drive|blockdev|hd[a-d]|sd|mtdblock|pflash|fsdev|virtfs|usbdevice)$|^(nvme|usb-storage|virtio-blk|scsi-|ide-|virtio-9p|vhost-user-fs)/;

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
