import { planRemoveVms } from '../../plan/store-commands.ts';
import { ok } from '../../problem.ts';
import { type CommandDef, PLAN_SWITCH } from '../command.ts';
import { storesIn } from '../typed-layers.ts';

/** `rm NAME…`: removes VMs. */
export const rm: CommandDef = {
  name: 'rm',
  operands: '<name...>',
  completes: ['stored'],
  scope: 'everywhere',
  help: 'remove VMs and their disks from the VM store',
  switches: [{ flags: '-f, --force', help: 'stop running VMs first' }, PLAN_SWITCH],
  plan: (invocation) => {
    const { vmstore } = storesIn(invocation);
    const vms = [...new Set(invocation.operands)].map((name) => ({ name, vmstore }));
    return ok({ plan: planRemoveVms(vms, invocation.switches['force'] === true) });
  },
};
