import { existsSync } from 'node:fs';
import { mergeLayers } from '../../config/merge.ts';
import { builderOf } from '../../config/copies.ts';
import { vmPaths } from '../../host/store-layout.ts';
import { imageSpec } from '../../options/values/image-spec.ts';
import { decodeOperand } from '../../options/values/value-type.ts';
import { planCommit } from '../../plan/store-commands.ts';
import type { Problem } from '../../problem.ts';
import { failed, ok } from '../../problem.ts';
import { type CommandDef, PLAN_SWITCH } from '../command.ts';
import { storesIn } from '../typed-layers.ts';

/** `commit VM IMAGE`: creates an image from a VM's disk. */
export const commit: CommandDef = {
  name: 'commit',
  operands: '<vm> <image>',
  completes: ['stored'],
  scope: 'commit',
  help: 'create an image from the first disk of a stopped VM',
  switches: [PLAN_SWITCH],
  plan: (invocation) => {
    const [vm = '', image = ''] = invocation.operands;
    const { backend, vmstore } = storesIn(invocation);
    const where = { kind: 'flag' as const, flag: 'IMAGE', value: image };
    const problemOf = (error: string): Problem => ({ reason: 'usage', message: `IMAGE ${error}`, where });
    const name = image.includes(',')
      ? failed(problemOf('must be a name, without a comma'))
      : decodeOperand(imageSpec, image, problemOf);
    if (!name.ok) return name;
    const { loginKey, knownHosts } = vmPaths(vmstore, vm);
    // a guest with a seed has a key of its own, but none that replaces another
    const hasReplacedKeys = existsSync(loginKey) && !existsSync(knownHosts);
    const builder = builderOf(mergeLayers([invocation.flags]).values);
    return ok({ plan: planCommit({ name: vm, vmstore }, { image, backend }, hasReplacedKeys, builder) });
  },
};
