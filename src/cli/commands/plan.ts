import { ok } from '../../problem.ts';
import { type CommandDef, planForm } from '../command.ts';
import { SESSION_SWITCHES } from './jobs.ts';
import { FILE_SWITCH, intendProject } from './project.ts';
import { planOf } from './up.ts';

/** `plan [VM…]`: prints the plan of `up`. */
export const plan: CommandDef = {
  name: 'plan',
  operands: '[vm...]',
  completes: ['project'],
  scope: 'plan',
  help: 'print what "up" would do, without doing it',
  switches: [
    FILE_SWITCH,
    ...SESSION_SWITCHES,
    { flags: '--json', help: 'print the plan as JSON (schemas/plan.schema.json)' },
    { flags: '--dot', help: 'print the plan as a Graphviz graph' },
  ],
  takesQemuArguments: true,
  intend: async (invocation) => {
    const project = await intendProject(invocation);
    if (!project.ok) return project;
    const { place } = project.value;
    return ok({ kind: planForm(invocation.switches), plan: planOf(project.value), place });
  },
};
