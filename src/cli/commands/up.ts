import { ok } from '../../problem.ts';
import type { CommandDef, Intent } from '../command.ts';
import { PLAN_SWITCHES } from '../command.ts';
import { MANNER_SWITCHES } from './jobs.ts';
import type { ProjectIntent } from './project.ts';
import { FILE_SWITCH, intendProject } from './project.ts';

/** `up [VM…]`: the whole plan of a project. */
export const up: CommandDef = {
  name: 'up',
  operands: '[vm...]',
  scope: 'up',
  help: 'run the VMs of the Transientfile, or those named and what they depend on',
  switches: [
    FILE_SWITCH,
    {
      flags: '-d, --detach',
      help: 'return when all are ready, and leave them running until "transient down"',
    },
    ...MANNER_SWITCHES,
    ...PLAN_SWITCHES,
  ],
  takesQemuArguments: true,
  intend: async (invocation) => {
    const project = await intendProject(invocation);
    if (!project.ok) return project;
    if (invocation.switches['plan'] === true) return ok({ kind: 'tree', plan: planOf(project.value) });
    return ok(performing(project.value));
  },
};

/** The plan of a project, whoever performs it. */
export function planOf(project: ProjectIntent): Extract<ProjectIntent, { kind: 'session' }>['plan'] {
  return project.kind === 'session' ? project.plan : project.change.plan;
}

function performing(project: ProjectIntent): Intent {
  if (project.kind === 'session') return { kind: 'perform', plan: project.plan };
  const { change, record, file, project: name } = project;
  const { plan, starting, staying } = change;
  if (starting.length === 0) {
    const vms = staying.length === 1 ? 'the VM runs' : `${staying.length} VMs run`;
    return { kind: 'say', note: `Nothing to do: ${vms} as the file says` };
  }
  const vms = starting.map(({ spec, digest }) => ({
    name: spec.name,
    instance: spec.instance,
    digest,
    dependsOn: spec.dependsOn.map(({ vm }) => vm),
  }));
  return { kind: 'order', order: { plan, vms }, record, file, project: name, isLast: false };
}
