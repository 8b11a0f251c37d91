import { ok } from '../../problem.ts';
import { type CommandDef, planForm } from '../command.ts';
import { MANNER_SWITCHES } from './jobs.ts';
import { FILE_SWITCH, intendProject } from './project.ts';
import { planOf } from './up.ts';

/** `plan [VM…]`: what `up` would do. */
export const plan: CommandDef = {
  name: 'plan',
  operands: '[vm...]',
  completes: ['project'],
  scope: 'plan',
  help: 'print what "up" would do, and do nothing',
  switches: [
    FILE_SWITCH,
    ...MANNER_SWITCHES,
    { flags: '--json', help: 'as JSON (schemas/plan.schema.json)' },
    { flags: '--dot', help: 'as a graph for Graphviz' },
  ],
  takesQemuArguments: true,
  intend: async (invocation) => {
    const project = await intendProject(invocation);
    if (!project.ok) return project;
    const { place } = project.value;
    return ok({ kind: planForm(invocation.switches), plan: planOf(project.value), place });
  },
};
