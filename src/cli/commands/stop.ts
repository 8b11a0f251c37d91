import { planStop } from '../../plan/store-commands.ts';
import { ok } from '../../problem.ts';
import { type CommandDef, PLAN_SWITCH } from '../command.ts';
import { namedVms } from '../vm-names.ts';

/** `stop NAME…`: stops running VMs. */
export const stop: CommandDef = {
  name: 'stop',
  operands: '<name...>',
  completes: ['running'],
  scope: 'everywhere',
  help: 'stop running VMs and wait until they have stopped',
  switches: [{ flags: '-k, --kill', help: 'kill the VM without shutting it down' }, PLAN_SWITCH],
  plan: async (invocation) => {
    const vms = await namedVms(invocation, invocation.operands);
    return ok({ plan: planStop(vms, invocation.switches['kill'] === true) });
  },
};
