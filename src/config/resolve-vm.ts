import type { CopyPair } from '../options/values/copy-pair.ts';
import type { ShareWay } from '../options/values/shared-folder.ts';
import type { OptionName, OptionValues } from '../options/table.ts';
import { OPTION_TABLE } from '../options/table.ts';
import type { Environment, Merged } from './merge.ts';
import { storesOf } from './merge.ts';
import { allFolders } from './shares.ts';
import { temporaryTexts } from './stored-vm.ts';
import type {
  BuilderSpec,
  Connection,
  CopiesSpec,
  Dependency,
  Ending,
  ImageNeed,
  MachineSpec,
  NetworkCard,
  SharedFolderSpec,
  SharesSpec,
  SshSpec,
  StateSpec,
  VmSpec,
  WantedImage,
  WellKnownKeys,
} from './vm-spec.ts';

/** Facts about a VM other than its options. */
export interface VmFacts {
  readonly name: string;
  readonly instance: string;
  readonly image: WantedImage;
  readonly extraImages: readonly WantedImage[];
  readonly dependsOn: readonly Dependency[];
  readonly networks: readonly NetworkCard[];
  /** Whether it is the only VM of the plan: then it must have something to connect to. */
  readonly alone: boolean;
  /** It runs without a terminal, so that it is a service instead of having a console. */
  readonly detached?: boolean;
  readonly state: StateSpec | undefined;
  /** Whether its disks belong to a VM created by the Python transient. */
  readonly isPythons?: boolean;
  /** Its name in the VM store while it runs, if its copies need state there. */
  readonly temporaryName: string;
  /** Host files protected in shared folders: the Transientfile and the programs it configures. */
  readonly unchanged?: readonly string[];
}

/** Resolves a VM from its facts and merged options, filling in defaults. */
export function resolveVm(facts: VmFacts, merged: Merged, environment: Environment): VmSpec {
  const option = optionIn(merged);
  const connection = connectionOf(facts, merged);
  const { backend, vmstore } = storesOf(merged.values, environment);
  const copies = copiesOf(merged);
  const shares = sharesOf(merged, facts.unchanged);
  const hasShares = allFolders(shares).length > 0;
  const state = facts.state ?? temporaryState(facts, copies, vmstore);
  const machine: MachineSpec = {
    program: option('qemu-bin-name'),
    memory: option('memory'),
    cpus: option('cpus'),
    accel: option('accel'),
    virtioScsi: !option('no-virtio-scsi'),
    qmpTimeout: option('qmp-timeout'),
    qemuArgs: merged.values['qemu-args'] ?? [],
  };
  const forwards = merged.values.forward ?? [];
  const wantsCard =
    connection.kind !== 'qemu-console' ||
    hasShares ||
    forwards.length > 0 ||
    merged.isSet('ssh-port') ||
    merged.isSet('ssh-net-driver');
  const keepsSomething = state !== undefined || copies.out.length > 0 || hasShares;
  return {
    name: facts.name,
    instance: facts.instance,
    images: [needOf(facts.image, backend), ...facts.extraImages.map((image) => needOf(image, backend))],
    ...(state ? { state } : {}),
    copies,
    shares,
    connection,
    ...(wantsCard ? { ssh: { ...sshOf(merged), wellKnownKeys: keysIn(merged, facts) } } : {}),
    forwards,
    machine,
    networks: facts.networks,
    ending: endingOf(
      machine,
      connection,
      option('shutdown-timeout'),
      keepsSomething || merged.isSet('shutdown-timeout'),
    ),
    dependsOn: facts.dependsOn,
    ...readinessOf(merged),
    vmstore,
  };
}

/** How well-known keys are handled; a persistent VM may have had them replaced in an earlier run. */
function keysIn(merged: Merged, { state, isPythons = false }: VmFacts): WellKnownKeys {
  if (isPythons) return optionIn(merged)('insert-key') ? 'python' : 'leave';
  if (optionIn(merged)('insert-key')) return 'replace';
  return state === undefined ? 'leave' : 'restore';
}

function readinessOf(merged: Merged): Pick<VmSpec, 'readiness'> {
  const command = merged.values['ready-command'];
  return command === undefined ? {} : { readiness: { command, timeout: optionIn(merged)('ready-timeout') } };
}

function copiesOf({ values }: Merged): CopiesSpec {
  const { rsync = false, 'direct-copy': direct = false, 'copy-timeout': timeout } = values;
  const copies = (pairs: readonly CopyPair[] = []): CopiesSpec['in'] =>
    pairs.map((pair) => ({ ...pair, rsync }));
  return {
    in: copies(values['copy-in-before']),
    out: copies(values['copy-out-after']),
    direct,
    ...(timeout === undefined ? {} : { timeout }),
    builder: builderOf(values),
  };
}

function sharesOf(merged: Merged, unchanged: readonly string[] = []): SharesSpec {
  const folders = merged.values['shared-folder'] ?? [];
  const by = (way: ShareWay): readonly SharedFolderSpec[] =>
    folders
      .filter(({ via = 'sshfs' }) => via === way)
      .map(({ host, guest, readonly = false, cache = 0 }) => ({
        host,
        guest,
        readonly,
        ...(cache > 0 ? { cache } : {}),
      }));
  return {
    sshfs: by('sshfs'),
    '9p': by('9p'),
    virtiofs: by('virtiofs'),
    sftpServer: optionIn(merged)('sftp-bin-name'),
    unchanged: folders.some(({ readonly = false }) => !readonly) ? unchanged : [],
  };
}

/** Custom kernel and initramfs of the builder VM, from the options. */
export function builderOf(values: Merged['values']): BuilderSpec {
  const { 'builder-kernel': kernel, 'builder-initrd': initrd } = values;
  return { ...(kernel === undefined ? {} : { kernel }), ...(initrd === undefined ? {} : { initrd }) };
}

/** State of an unnamed VM that copies through the builder: stored for the duration of its run. */
function temporaryState(
  { temporaryName: name, image }: VmFacts,
  { in: before, out: after, direct }: CopiesSpec,
  vmstore: string,
): StateSpec | undefined {
  if (direct || before.length + after.length === 0) return undefined;
  const creation = temporaryTexts(name, image);
  return { name, vmstore, temporary: true, creation };
}

function connectionOf({ alone, detached = false }: VmFacts, { values }: Merged): Connection {
  const serial = !detached && (values['ssh-with-serial'] ?? false);
  const command = values['ssh-command'];
  if (detached && command === undefined) return { kind: 'service' };
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

/** Ssh settings from the options. */
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
    wellKnownKeys: 'leave',
  };
}

/** How the VM is stopped: a stateless one is killed, unless its QEMU arguments attach a disk or share. */
function endingOf(machine: MachineSpec, connection: Connection, timeout: number, orderly: boolean): Ending {
  const keepsNothing = !machine.qemuArgs.some((argument) => DATA_ARGUMENT.test(argument));
  if (keepsNothing && !orderly && connection.kind !== 'qemu-console') return { kind: 'at-once' };
  return { kind: 'orderly', timeout };
}

const DATA_ARGUMENT =
  /^--?(drive|blockdev|hd[a-d]|sd|mtdblock|pflash|fsdev|virtfs|usbdevice)$|^(nvme|usb-storage|virtio-blk|scsi-|ide-|virtio-9p|vhost-user-fs)/;
