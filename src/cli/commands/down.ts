import type { ProjectRecord } from '../../daemon/registry.ts';
import { endedProject, findProject, forgetEnded } from '../../daemon/registry.ts';
import { isUp, planDown } from '../../plan/project.ts';
import { didYouMean } from '../../options/issues.ts';
import { failed, ok } from '../../problem.ts';
import { type CommandDef, PLAN_SWITCH } from '../command.ts';
import { printPlan } from '../plan-output.ts';
import { FILE_SWITCH, pathOf } from '../project-file.ts';

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
    PLAN_SWITCH,
  ],
  run: async (invocation, output) => {
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
    if (switches['plan'] === true) return ok(await printPlan({ plan }, output));
    if (record === undefined || plan.steps.length === 0)
      return ok(output.note(await nothingRuns(environment, file, record)));
    const { performDetached } = await import('../detached-project.ts');
    const request = {
      request: { plan, vms: [] },
      record,
      file,
      project: record.project,
      isLast: record.vms.every((vm) => !isUp(vm) || plan.steps.some((step) => step.vm === vm.name)),
      kill: switches['kill'] === true,
    };
    return performDetached(request, output, { notes: endedNotes(record) });
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
