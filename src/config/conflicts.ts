import { shownImageSource } from '../options/option.ts';
import type { KeyPath, Problem } from '../problem.ts';
import type { Document } from './document.ts';
import type { Merged } from './merge.ts';
import { inFile } from './locate.ts';
import { allFolders } from './shares.ts';
import type { StoredVm } from './stored.ts';
import type { Transientfile } from './transientfile.ts';
import { itemsOf, valueOf } from './vm-keys.ts';
import type { Connection, ImageNeed, VmSpec } from './vm-spec.ts';

/** A VM and the merge it came from, which knows where each option was said. */
export interface ResolvedVm {
  readonly spec: VmSpec;
  readonly merged: Merged;
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

/** What is wrong with one VM in itself. */
export function ownConflicts(vm: ResolvedVm, stored: StoredVm | undefined): Problem[] {
  return [...consoleCopies(vm), ...lateDisks(vm, stored), ...sharedPlaces(vm), ...sharedMemory(vm)];
}

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

/** VMs that both want the terminal: only one console can be open, and boot messages belong before one. */
export function sharedTerminal(vms: readonly ResolvedVm[]): Problem[] {
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
export function sharedImageNames({ document }: Transientfile, vms: readonly ResolvedVm[]): Problem[] {
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
          where: inFile(document, pathOf(document, spec.name, 'image'), 'value'),
          hint: 'give each image a name of its own',
        },
      ];
    }),
  );
}

/** Where a key of a VM stands: in its table, or in `[defaults]`. */
function pathOf(document: Document, vm: string, key: string): KeyPath {
  return valueOf(document, vm, key)?.path ?? ['vms', vm, key];
}

function sourceText({ source, sha256 }: ImageNeed): string {
  const from = source === undefined ? 'none' : shownImageSource(source);
  return sha256 === undefined ? from : `${from} (sha256 ${sha256})`;
}

/** A VM of the store has one place in it, which only one VM of a file can have. */
export function sharedStates({ document }: Transientfile, vms: readonly ResolvedVm[]): Problem[] {
  return vms.flatMap(({ spec }, index): Problem[] => {
    const same = (other: ResolvedVm): boolean =>
      other.spec.state?.name === spec.state?.name && other.spec.state?.vmstore === spec.state?.vmstore;
    const earlier = spec.state && vms.slice(0, index).find(same);
    if (earlier === undefined) return [];
    return [
      {
        reason: 'conflict',
        message: `VMs "${earlier.spec.name}" and "${spec.name}" have the same name '${spec.state?.name}' in the VM store`,
        where: inFile(document, pathOf(document, spec.name, 'name'), 'value'),
        hint: 'give each VM a name of its own',
      },
    ];
  });
}

/** Two folders at one place of a guest, of which the one would hide the other. */
function sharedPlaces({ spec, merged }: ResolvedVm): Problem[] {
  const folders = allFolders(spec.shares);
  const twice = folders.filter(({ guest }, index) => folders.findIndex((one) => one.guest === guest) < index);
  const where = merged.where('shared-folder');
  return twice.map(({ guest }) => ({
    reason: 'conflict',
    message: `VM "${spec.name}" has two shared folders at ${guest}`,
    ...(where ? { where } : {}),
    hint: 'give each a place of its own in the guest',
  }));
}

/** What serves virtiofs reads the guest's memory, which we then make; the user's own would be another. */
function sharedMemory({ spec, merged }: ResolvedVm): Problem[] {
  const ownMemory = spec.machine.qemuArgs.some((argument) => /^--?m$/.test(argument));
  if (spec.shares.virtiofs.length === 0 || !ownMemory) return [];
  const where = merged.where('qemu-args');
  return [
    {
      reason: 'conflict',
      message: 'virtiofs does not go with -m among the arguments for QEMU',
      ...(where ? { where } : {}),
      hint: 'say how much memory the VM has with memory',
    },
  ];
}

/** A VM without a command is never done with it. */
export function neverDone({ document }: Transientfile, vms: readonly ResolvedVm[]): Problem[] {
  const hasCommand = new Map(vms.map(({ spec }) => [spec.name, spec.connection.kind === 'ssh-command']));
  return vms.flatMap(({ spec }) => {
    const paths = itemsOf(document, spec.name, 'depends-on').map(({ path }) => path);
    return spec.dependsOn.flatMap(({ vm, until }, index): Problem[] => {
      if (until !== 'done' || hasCommand.get(vm) === true) return [];
      return [
        {
          reason: 'conflict',
          message: `VM "${spec.name}" waits until VM "${vm}" is done, which has no command`,
          where: inFile(document, paths[index] ?? ['vms', spec.name], 'value'),
          hint: `give "${vm}" an ssh-command, or wait until it is "ready"`,
        },
      ];
    });
  });
}
