import { ok } from '../../problem.ts';
import type { CommandDef, Invocation } from '../command.ts';
import { printPlan } from '../plan-output.ts';
import type { PlanForm } from '../plan-view.ts';
import { FILE_SWITCH, LOCKED_SWITCH } from '../project-file.ts';
import { planProject } from '../project.ts';
import { SESSION_SWITCHES } from '../session-switches.ts';

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
    LOCKED_SWITCH,
    { flags: '--json', help: 'print the plan as JSON (schemas/plan.schema.json)' },
    { flags: '--dot', help: 'print the plan as a Graphviz graph' },
  ],
  takesQemuArguments: true,
  run: async (invocation, output) => {
    const planned = await planProject(invocation);
    return planned.ok ? ok(await printPlan(planned.value, output, formOf(invocation))) : planned;
  },
};

function formOf({ switches }: Invocation): PlanForm {
  if (switches['json'] === true) return 'json';
  return switches['dot'] === true ? 'dot' : 'tree';
}
