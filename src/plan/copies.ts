import type { BuilderSpec, CopySpec } from '../config/copies.ts';
import type { SshSpec } from '../config/ssh.ts';
import type { VmSpec } from '../config/vm-spec.ts';
import type { CopyIn, Step, StepId } from './step.ts';
import { pathFact } from './facts.ts';
import type { StepFields } from './new-step.ts';
import { newStep } from './new-step.ts';

type Direction = 'in' | 'out';

/** Copies on the disks of a stopped VM, with one boot of the builder for all of them. */
export function offlineCopies(what: {
  readonly vm: string;
  readonly direction: Direction;
  readonly copies: readonly CopySpec[];
  readonly builder: BuilderSpec;
  readonly timeout: number | undefined;
  readonly needs: readonly StepId[];
  readonly after: readonly StepId[];
}): Step[] {
  const { vm, direction, copies, builder, timeout, needs, after } = what;
  if (copies.length === 0) return [];
  const isOut = direction === 'out';
  const through = { kind: 'builder' as const };
  return inBuilder(
    {
      id: `${vm}/builder-${direction}`,
      phase: isOut ? 'stop' : 'prepare',
      vm,
      title: `Mount the disk to copy ${direction}`,
      needs,
      after,
      ...(isOut ? { always: true } : {}),
      readOnly: isOut,
      copies: copies.length,
      builder,
    },
    (booted) => copySteps({ vm, direction, copies, through, timeout, needs: [booted], after: [] }),
  );
}

/** Steps on the disks of a stopped VM, between a boot of the builder and its stop. */
export function inBuilder(
  fields: Omit<StepFields<'builder.boot'>, 'kind' | 'detail'>,
  steps: (booted: StepId) => readonly Step[],
): Step[] {
  const { kernel, initrd } = fields.builder;
  const boot = newStep({
    ...fields,
    kind: 'builder.boot',
    detail: [
      'builder VM',
      fields.readOnly ? 'read-only' : '',
      pathFact('kernel', kernel),
      pathFact('initramfs', initrd),
    ],
  });
  const within = steps(boot.id);
  const stop = newStep({
    id: `${boot.id}-stop`,
    kind: 'builder.stop',
    phase: boot.phase,
    vm: boot.vm,
    title: 'Unmount the disk',
    after: within.map((step) => step.id),
    undoes: boot.id,
  });
  return [boot, ...within, stop];
}

/** Copies over ssh in a running VM, after an earlier step of it has settled. */
export function directCopies(
  { name: vm, copies: { in: before, out: after, direct, timeout } }: Pick<VmSpec, 'name' | 'copies'>,
  direction: Direction,
  ssh: SshSpec,
  /** Steps that precede the copies. */
  earlier: StepId | undefined,
): Step[] {
  if (!direct) return [];
  return copySteps({
    vm,
    direction,
    copies: direction === 'in' ? before : after,
    through: { kind: 'ssh', ssh },
    timeout,
    needs: [`${vm}/ready`],
    after: earlier === undefined ? [] : [earlier],
  });
}

/** Runs copies in sequence. */
function copySteps(what: {
  readonly vm: string;
  readonly direction: Direction;
  readonly copies: readonly CopySpec[];
  readonly through: CopyIn['through'];
  readonly timeout: number | undefined;
  readonly needs: readonly StepId[];
  readonly after: readonly StepId[];
}): Step[] {
  const { vm, direction, copies, through, timeout, needs, after } = what;
  return copies.map((copy, index) => {
    const id = (at: number): StepId => `${vm}/copy-${direction}-${at + 1}`;
    const common = {
      id: id(index),
      vm,
      detail: [
        { text: '', path: copy.host },
        through.kind === 'ssh' ? 'over ssh' : '',
        copy.rsync ? 'rsync' : '',
      ],
      programs: [
        'tar',
        ...(copy.rsync ? ['rsync'] : []),
        ...(through.kind === 'ssh' ? [through.ssh.program] : []),
      ],
      needs,
      after: index === 0 ? after : [id(index - 1)],
      ...copy,
      through,
      ...(timeout === undefined ? {} : { timeout }),
    };
    if (direction === 'in') {
      const phase = through.kind === 'ssh' ? 'ready' : 'prepare';
      return newStep({ ...common, kind: 'copy.in', phase, title: `Copy in ${copy.host} to ${copy.guest}` });
    }
    const title = `Copy out ${copy.guest} to ${copy.host}`;
    return newStep({ ...common, kind: 'copy.out', phase: 'stop', title, always: true });
  });
}
