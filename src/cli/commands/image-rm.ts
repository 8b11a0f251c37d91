import { planRemove } from '../../plan/images.ts';
import { ok } from '../../problem.ts';
import type { CommandDef } from '../command.ts';
import { storesIn } from '../typed-layers.ts';

/** `image rm NAME…`: removes images. */
export const imageRm: CommandDef = {
  name: 'image rm',
  operands: '<name...>',
  completes: ['images'],
  scope: 'everywhere',
  help: 'remove images from the backend; refused while a VM uses one',
  switches: [{ flags: '-f, --force', help: 'also remove images in use; their VMs will no longer start' }],
  plan: (invocation) => {
    const { backend, vmstore } = storesIn(invocation);
    const names = [...new Set(invocation.operands)];
    return ok({ plan: planRemove(names, backend, vmstore, invocation.switches['force'] === true) });
  },
};
