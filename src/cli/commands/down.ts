import type { ProjectRecord } from '../../host/projects.ts';
import { endedProject, findProject, forgetEnded } from '../../host/projects.ts';
import { isUp, planDown } from '../../plan/project.ts';
import { didYouMean } from '../../options/issues.ts';
import { failed, ok } from '../../problem.ts';
import { type CommandDef, PLAN_SWITCHES } from '../command.ts';
import { FILE_SWITCH, pathOf } from './project.ts';

/** `down [VM…]`: the end of what `up --detach` left running. */
export const down: CommandDef = {
  name: 'down',
  operands: '[vm...]',
  completes: ['project'],
  scope: 'everywhere',
  help: 'end the VMs of the Transientfile that run detached, or those named and what depends on them',
  switches: [
    FILE_SWITCH,
    { flags: '-k, --kill', help: 'at once, without asking the guests' },
    ...PLAN_SWITCHES,
  ],
  takesQemuArguments: false,
  intend: async (invocation) => {
    const { operands, switches, environment } = invocation;
    const path = pathOf(invocation);
    if (!path.ok) return path;
    const file = path.value;
    const record = await findProject(environment, file);
    const known = record?.vms.map(({ name }) => name) ?? [];
    const unknown = operands.find((name) => record !== undefined && !known.includes(name));
    if (unknown !== undefined) {
      return failed({
        reason: 'usage',
        message: `VM "${unknown}" of this project does not run`,
        where: { kind: 'flag', flag: 'VM', value: unknown },
        hint: didYouMean(unknown, known) ?? `detached VMs: ${known.join(', ')}`,
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

/** Says, once, which VMs ended before they were told to. */
async function nothingRuns(
  environment: NodeJS.ProcessEnv,
  file: string,
  record: ProjectRecord | undefined,
): Promise<string> {
  const ended = record ?? (await endedProject(environment, file));
  await forgetEnded(environment, file);
  return ['Nothing of this project runs detached', ...(ended ? endedNotes(ended) : [])].join('\n');
}

function endedNotes({ vms }: ProjectRecord): string[] {
  return vms.flatMap(({ name, state }) => (state === 'ended' ? [`VM ${name} has ended by itself`] : []));
}
