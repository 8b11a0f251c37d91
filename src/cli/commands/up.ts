import { type CommandDef, PLAN_SWITCHES, performOrShow } from '../command.ts';
import { MANNER_SWITCHES } from './jobs.ts';
import { FILE_SWITCH, planProject } from './project.ts';

/** `up [VM…]`: the whole plan of a project. */
export const up: CommandDef = {
  name: 'up',
  operands: '[vm...]',
  scope: 'up',
  help: 'run the VMs of the Transientfile, or those named and what they depend on',
  switches: [FILE_SWITCH, ...MANNER_SWITCHES, ...PLAN_SWITCHES],
  takesQemuArguments: true,
  intend: async (invocation) => {
    return performOrShow(invocation, await planProject(invocation));
  },
};
