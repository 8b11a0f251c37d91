import { connectionOf } from './connection.ts';
import { copiesOf } from './copies.ts';
import { machineOf } from './machine.ts';
import type { Environment, Merged } from './merge.ts';
import { storesOf } from './merge.ts';
import { allFolders, sharesOf } from './shares.ts';
import { seedOf } from './seed-spec.ts';
import { endingOf } from './shutdown.ts';
import { keysIn, sshOf } from './ssh.ts';
import { temporaryTexts } from './stored-vm.ts';
import type { CopiesSpec } from './copies.ts';
import type { Dependency, ImageNeed, NetworkCard, StateSpec, VmSpec, WantedImage } from './vm-spec.ts';

/** Facts about a VM other than its options. */
export interface VmFacts {
  readonly name: string;
  readonly instance: string;
  readonly image: WantedImage;
  readonly extraImages: readonly WantedImage[];
  readonly dependsOn?: readonly Dependency[];
  readonly networks?: readonly NetworkCard[];
  /** Whether it is the only VM of the plan: then it must have something to connect to. */
  readonly alone?: boolean;
  /** It runs without a terminal, so that it is a service instead of having a console. */
  readonly detached?: boolean;
  /** Its name in the VM store, if its state is kept there, and the texts of one that is to be created. */
  readonly persistent?: Pick<StateSpec, 'name' | 'creation'>;
  /** Whether its disks belong to a VM created by the Python transient. */
  readonly isPythons?: boolean;
  /** Its name in the VM store while it runs, if its copies need state there: by default that of the instance. */
  readonly temporaryName?: string;
  /** Host files protected in shared folders: the Transientfile and the programs it configures. */
  readonly unchanged?: readonly string[];
}

/** Resolves a VM from its facts and merged options, filling in defaults. */
export function resolveVm(facts: VmFacts, merged: Merged, environment: Environment): VmSpec {
  const { option, values, isSet } = merged;
  const { alone = true, detached = false, dependsOn = [], networks = [] } = facts;
  const { isPythons = false, unchanged = [] } = facts;
  const connection = connectionOf(merged, { alone, detached });
  const { backend, vmstore } = storesOf(values, environment);
  const copies = copiesOf(merged);
  const shares = sharesOf(merged, unchanged);
  const hasShares = allFolders(shares).length > 0;
  const state = stateOf(facts, copies, vmstore);
  const forwards = option('forward');
  const wantsCard =
    connection.kind !== 'qemu-console' ||
    hasShares ||
    forwards.length > 0 ||
    isSet('ssh-port') ||
    isSet('ssh-net-driver');
  const guest = facts.image.cloud?.guest;
  const seed = seedOf(merged, guest);
  const wellKnownKeys = keysIn(merged, {
    isPersistent: facts.persistent !== undefined,
    isPythons,
    isSeeded: seed !== undefined,
  });
  const readyCommand = values['ready-command'];
  return {
    name: facts.name,
    instance: facts.instance,
    images: [needOf(facts.image, backend), ...facts.extraImages.map((image) => needOf(image, backend))],
    ...(state ? { state } : {}),
    copies,
    shares,
    connection,
    ...(wantsCard
      ? { ssh: { ...sshOf(merged, { guest, isSeeded: seed !== undefined }), wellKnownKeys } }
      : {}),
    ...(seed ? { seed } : {}),
    forwards,
    machine: machineOf(merged, guest),
    networks,
    ending: endingOf(merged, connection, state !== undefined || copies.out.length > 0 || hasShares),
    dependsOn,
    ...(readyCommand === undefined
      ? {}
      : { readiness: { command: readyCommand, timeout: option('ready-timeout') } }),
    vmstore,
  };
}

/** State of a VM; that of an unnamed one that copies through the builder is stored for the duration of its run. */
function stateOf(
  { persistent, instance, temporaryName: name = instance, image }: VmFacts,
  { in: before, out: after, direct }: CopiesSpec,
  vmstore: string,
): StateSpec | undefined {
  if (persistent !== undefined) {
    const { creation } = persistent;
    return { name: persistent.name, vmstore, temporary: false, ...(creation ? { creation } : {}) };
  }
  if (direct || before.length + after.length === 0) return undefined;
  return { name, vmstore, temporary: true, creation: temporaryTexts(name, image) };
}

function needOf(image: WantedImage, backend: string): ImageNeed {
  return { ...image, backend };
}
