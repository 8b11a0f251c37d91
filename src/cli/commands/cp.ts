import { lstatSync } from 'node:fs';
import { mergeLayers } from '../../config/merge.ts';
import { builderOf } from '../../config/copies.ts';
import type { CopySpec } from '../../config/copies.ts';
import { absoluteHostPath } from '../../options/values/copy-pair.ts';
import { planCopies } from '../../plan/store-commands.ts';
import type { Result } from '../../problem.ts';
import { failed, ok } from '../../problem.ts';
import { type CommandDef, type CommandPlan, type Invocation, PLAN_SWITCH } from '../command.ts';
import { storesIn } from '../typed-layers.ts';

/** `cp SRC… DST`: copies to or from a stopped VM. */
export const cp: CommandDef = {
  name: 'cp',
  operands: '<path...>',
  completes: ['paths'],
  scope: 'cp',
  help: 'copy files to or from a stopped VM; one side is VM:/PATH, and the last path is the destination',
  switches: [PLAN_SWITCH],
  plan: planFor,
};

/** Operand that is a path in a VM. */
interface VmPath {
  readonly vm: string;
  readonly path: string;
}

function planFor(invocation: Invocation): Result<CommandPlan> {
  const { operands, workingDirectory, flags } = invocation;
  const sources = operands.slice(0, -1);
  const destination = operands.at(-1) ?? '';
  if (sources.length === 0) return misused('SRC', "missing required argument 'destination'");
  const { values } = mergeLayers([{ ...flags, base: workingDirectory }]);
  const rsync = values.rsync ?? false;
  const { vmstore } = storesIn(invocation);
  const plan = (vm: string, direction: 'in' | 'out', copies: readonly CopySpec[]): Result<CommandPlan> =>
    ok({ plan: planCopies({ name: vm, vmstore }, direction, copies, builderOf(values)) });
  const to = vmPath(destination);
  const from = sources.map(vmPath);
  if (to !== undefined) {
    const both = sources.filter((_source, index) => from[index] !== undefined);
    if (both.length > 0)
      return misused(both[0] ?? '', 'either the sources or the destination must be VM paths, not both');
    const copies = sources.map((source) => ({
      host: absoluteHostPath(source, workingDirectory),
      guest: to.path,
      rsync,
    }));
    return plan(to.vm, 'in', intoDirectory(copies, 'guest'));
  }
  const paths = from.filter((path) => path !== undefined);
  const [first] = paths;
  if (first === undefined || paths.length < sources.length) {
    return misused(destination, 'either all sources or the destination must be VM paths (VM:/PATH)');
  }
  if (paths.some(({ vm }) => vm !== first.vm))
    return misused(destination, 'all sources must be VM paths of the same VM');
  const host = absoluteHostPath(destination, workingDirectory);
  if (paths.length > 1 && !host.endsWith('/') && isLink(host)) return linkInTheWay(destination);
  return plan(
    first.vm,
    'out',
    intoDirectory(
      paths.map(({ path }) => ({ host, guest: path, rsync })),
      'host',
    ),
  );
}

/** Marks the destination of several copies as a directory. */
function intoDirectory(copies: readonly CopySpec[], side: 'host' | 'guest'): CopySpec[] {
  return copies.map((copy) => {
    const destination = copy[side];
    const isSure = copies.length === 1 || destination.endsWith('/');
    return isSure ? copy : { ...copy, [side]: `${destination}/` };
  });
}

/** Whether a path is a symbolic link, which may come from a guest and is followed only with a trailing slash. */
function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

function linkInTheWay(destination: string): Result<never> {
  return failed({
    reason: 'usage',
    message: `several files can only be copied into a directory, but ${destination} is a symbolic link`,
    where: { kind: 'flag', flag: 'PATH', value: destination },
    hint: `write ${destination}/ to copy into the directory it points to`,
  });
}

function vmPath(operand: string): VmPath | undefined {
  const [, vm, path] = /^([^/].*?):(\/.*)$/s.exec(operand) ?? [];
  return vm === undefined || path === undefined || vm.startsWith('.') ? undefined : { vm, path };
}

function misused(value: string, message: string): Result<never> {
  const where = { kind: 'flag' as const, flag: 'PATH', value };
  return failed({ reason: 'usage', message, where, hint: 'e.g. transient cp ./file my-vm:/etc/' });
}
