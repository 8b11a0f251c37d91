import { shownImageSource } from '../options/values/image-spec.ts';
import type { KeyPath, Problem, Where } from '../problem.ts';
import type { Document } from './document.ts';
import { lacksLevel } from './cpu.ts';
import type { Merged } from './merge.ts';
import { inFile } from './locate.ts';
import { allFolders } from './shares.ts';
import type { StoredVm } from './stored-vm.ts';
import type { Transientfile } from './transientfile.ts';
import { itemsOf, valueOf } from './vm-keys.ts';
import type { Connection } from './connection.ts';
import type { ImageNeed, VmSpec } from './vm-spec.ts';

/** A VM and the merged options it was resolved from, which know where each was set. */
export interface ResolvedVm {
  readonly spec: VmSpec;
  readonly merged: Merged;
}

function conflict(message: string, where: Where | undefined, hint: string): Problem {
  return { reason: 'conflict', message, where, hint };
}

/** Extra images requested for a stored VM that was created without them. */
function lateDisks({ spec, merged }: ResolvedVm, stored: StoredVm | undefined): Problem[] {
  const created = stored?.layer.values['extra-image'] ?? [];
  const late = merged
    .option('extra-image')
    .filter((image) => !created.some(({ name }) => name === image.name));
  if (stored === undefined || late.length === 0) return [];
  const name = spec.state?.name ?? spec.name;
  const message = `VM '${name}' already exists, and disks can only be added when a VM is created`;
  const hint = `remove it first (transient rm ${name}), or omit the extra image`;
  return [conflict(message, merged.where('extra-image'), hint)];
}

/** Conflicts between the options of one VM. */
export function vmConflicts(vm: ResolvedVm, stored: StoredVm | undefined): Problem[] {
  return [
    ...consoleCopies(vm),
    ...lateDisks(vm, stored),
    ...sharedPlaces(vm),
    ...sharedMemory(vm),
    ...noCloudInit(vm),
    ...weakCpu(vm),
  ];
}

/** Copies over ssh happen between the guest's readiness and a session, which QEMU's console does not have. */
function consoleCopies({ spec, merged }: ResolvedVm): Problem[] {
  const { direct, in: before, out: after } = spec.copies;
  if (!direct || before.length + after.length === 0 || spec.connection.kind !== 'qemu-console') return [];
  const message = 'direct-copy needs ssh, but this VM uses the QEMU console';
  const hint = 'add ssh-console or ssh-command, or remove direct-copy';
  return [conflict(message, merged.where('direct-copy'), hint)];
}

/** A wait for cloud-init in a VM that has none, or that is not logged in to. */
function noCloudInit({ spec, merged }: ResolvedVm): Problem[] {
  if (merged.option('wait-for') !== 'cloud-init') return [];
  const where = merged.where('wait-for');
  if (spec.seed === undefined) {
    const message = `VM "${spec.name}" waits for cloud-init, but is not set up by it`;
    return [conflict(message, where, 'set cloud-init = true, or remove wait-for')];
  }
  if (spec.seed.guest.setUpBy !== 'cloud-init') {
    const message = `VM "${spec.name}" waits for cloud-init, but its image has only ${spec.seed.guest.setUpBy}`;
    return [conflict(message, where, 'remove wait-for; a ready-command can wait for what user-data does')];
  }
  if (spec.connection.kind !== 'qemu-console') return [];
  const message = 'waiting for cloud-init needs ssh, but this VM uses the QEMU console';
  return [conflict(message, where, 'add ssh-console or ssh-command, or remove wait-for')];
}

/** A processor model on which the guest's kernel or C library would stop. */
function weakCpu({ spec, merged }: ResolvedVm): Problem[] {
  const { cpu } = spec.machine;
  const [{ cloud }] = spec.images;
  if (cpu === undefined || cloud === undefined || !lacksLevel(cpu, cloud.guest.cpuLevel)) return [];
  const message = `image "${cloud.name}" needs a processor of level ${cloud.guest.cpuLevel ?? ''}, which ${cpu} is not`;
  return [conflict(message, merged.where('cpu'), 'omit cpu, or choose max, Haswell or another newer model')];
}

/** VMs that both need the terminal: only one console can be open, and only one serial output shown before it. */
export function sharedTerminal(vms: readonly ResolvedVm[]): Problem[] {
  const [first, ...others] = vms.filter(({ spec }) => wantsTerminal(spec.connection));
  if (first === undefined) return [];
  return others.map(({ spec, merged }) => {
    const message = `VMs "${first.spec.name}" and "${spec.name}" both need the terminal`;
    const where = merged.where('ssh-console') ?? merged.where('ssh-with-serial');
    return conflict(message, where, 'give one of them an ssh-command, or select one: transient up VM');
  });
}

function wantsTerminal(connection: Connection): boolean {
  if (connection.kind === 'ssh-command') return connection.serial;
  return connection.kind !== 'service';
}

/** Images of the same name with different sources: the choice between them would be arbitrary. */
export function sharedImageNames({ document }: Transientfile, vms: readonly ResolvedVm[]): Problem[] {
  const first = new Map<string, ImageNeed>();
  return vms.flatMap(({ spec }) =>
    spec.images.flatMap((image): Problem[] => {
      const key = JSON.stringify([image.backend, image.name]);
      const earlier = first.get(key) ?? image;
      first.set(key, earlier);
      if (sourceText(earlier) === sourceText(image)) return [];
      const message = `image "${image.name}" has two sources: ${sourceText(earlier)} and ${sourceText(image)}`;
      const where = inFile(document, pathOf(document, spec.name, 'image'), 'value');
      return [conflict(message, where, 'give each image its own name')];
    }),
  );
}

/** Key path of a VM's setting: in its own table, or in `[defaults]`. */
function pathOf(document: Document, vm: string, key: string): KeyPath {
  return valueOf(document, vm, key)?.path ?? ['vms', vm, key];
}

function sourceText({ source, sha256 }: ImageNeed): string {
  const from = source === undefined ? 'none' : shownImageSource(source);
  return sha256 === undefined ? from : `${from} (sha256 ${sha256})`;
}

/** VMs of a file that have the same name in the same VM store. */
export function sharedStates({ document }: Transientfile, vms: readonly ResolvedVm[]): Problem[] {
  return vms.flatMap(({ spec }, index): Problem[] => {
    const same = (other: ResolvedVm): boolean =>
      other.spec.state?.name === spec.state?.name && other.spec.state?.vmstore === spec.state?.vmstore;
    const earlier = spec.state && vms.slice(0, index).find(same);
    if (earlier === undefined) return [];
    const message = `VMs "${earlier.spec.name}" and "${spec.name}" have the same name '${spec.state?.name}' in the VM store`;
    const where = inFile(document, pathOf(document, spec.name, 'name'), 'value');
    return [conflict(message, where, 'give each VM its own name')];
  });
}

/** Shared folders with the same mount point, of which one would hide the other. */
function sharedPlaces({ spec, merged }: ResolvedVm): Problem[] {
  const folders = allFolders(spec.shares);
  const twice = folders.filter(({ guest }, index) => folders.findIndex((one) => one.guest === guest) < index);
  const where = merged.where('shared-folder');
  const hint = 'give each its own mount point in the guest';
  return twice.map(({ guest }) =>
    conflict(`VM "${spec.name}" has two shared folders at ${guest}`, where, hint),
  );
}

/** Conflict between virtiofs, whose server needs the shared memory that we configure, and the user's own `-m`. */
function sharedMemory({ spec, merged }: ResolvedVm): Problem[] {
  const setsMemory = spec.machine.qemuArgs.some((argument) => /^--?m$/.test(argument));
  if (spec.shares.virtiofs.length === 0 || !setsMemory) return [];
  const message = 'virtiofs cannot be combined with -m in the QEMU arguments';
  return [conflict(message, merged.where('qemu-args'), 'set the memory size with the "memory" option')];
}

/** Dependencies on the end of a command of a VM that has none. */
export function neverDone({ document }: Transientfile, vms: readonly ResolvedVm[]): Problem[] {
  const hasCommand = new Map(vms.map(({ spec }) => [spec.name, spec.connection.kind === 'ssh-command']));
  return vms.flatMap(({ spec }) => {
    const paths = itemsOf(document, spec.name, 'depends-on').map(({ path }) => path);
    return spec.dependsOn.flatMap(({ vm, until }, index): Problem[] => {
      if (until !== 'done' || hasCommand.get(vm) === true) return [];
      const message = `VM "${spec.name}" waits for VM "${vm}" to be done, but "${vm}" has no command`;
      const where = inFile(document, paths[index] ?? ['vms', spec.name], 'value');
      return [conflict(message, where, `give "${vm}" an ssh-command, or wait until it is "ready"`)];
    });
  });
}
