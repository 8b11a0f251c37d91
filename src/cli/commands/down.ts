import type { ProjectRecord } from '../../host/project-registry.ts';
import { endedProject, findProject, forgetEnded } from '../../host/project-registry.ts';
import { isUp, planDown } from '../../plan/project.ts';
import { didYouMean } from '../../options/issues.ts';
import { failed, ok } from '../../problem.ts';
import { type CommandDef, PLAN_SWITCHES } from '../command.ts';
import { FILE_SWITCH, pathOf } from './project.ts';

/** `down [VM…]`: stops VMs started by `up --detach`. */
export const down: CommandDef = {
  name: 'down',
  operands: '[vm...]',
  completes: ['project'],
  scope: 'everywhere',
  help: 'stop the detached VMs of the Transientfile, or the named ones and their dependents',
  switches: [
    FILE_SWITCH,
    { flags: '-k, --kill', help: 'kill the VMs without shutting them down' },
    ...PLAN_SWITCHES,
  ],
  takesQemuArguments: false,
  intend: async (invocation) => {
    const { operands, switches, environment } = invocation;
    const path = pathOf(invocation);
    if (!path.ok) return path;
    const file = path.value;
    const record = findProject(environment, file);
    const names = record?.vms.map(({ name }) => name) ?? [];
    const unknown = operands.find((name) => record !== undefined && !names.includes(name));
    if (unknown !== undefined) {
      return failed({
        reason: 'usage',
        message: `VM "${unknown}" of this project is not running`,
        where: { kind: 'flag', flag: 'VM', value: unknown },
        hint: didYouMean(unknown, names) ?? `detached VMs: ${names.join(', ')}`,
      });
    }
    const plan = planDown(record?.vms ?? [], operands);
    if (switches['plan'] === true) return ok({ kind: 'tree', plan });
    if (record === undefined || plan.steps.length === 0)
      return ok({ kind: 'say', note: await nothingRuns(environment, file, record) });
    const notes = endedNotes(record);
    const isLast = record.vms.every((vm) => !isUp(vm) || ends(vm.name));
    const kill = switches['kill'] === true;
    return ok({
      kind: 'order',
      order: { plan, vms: [] },
      record,
      file,
      project: record.project,
      isLast,
      kill,
      notes,
    });

    function ends(name: string): boolean {
      return plan.steps.some(({ vm }) => vm === name);
    }
  },
};

/** Note that nothing runs, with VMs that ended by themselves; these are reported only once. */
async function nothingRuns(
  environment: NodeJS.ProcessEnv,
  file: string,
  record: ProjectRecord | undefined,
): Promise<string> {
  const ended = record ?? endedProject(environment, file);
  await forgetEnded(environment, file);
  return ['No VM of this project is running detached', ...(ended ? endedNotes(ended) : [])].join('\n');
}

function endedNotes({ vms }: ProjectRecord): string[] {
  return vms.flatMap(({ name, state }) => (state === 'ended' ? [`VM ${name} has ended by itself`] : []));
}
