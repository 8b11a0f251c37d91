import { existsSync } from 'node:fs';
import { vmPaths } from '../../host/store-layout.ts';
import { mergeLayers } from '../../config/merge.ts';
import { builderOf } from '../../config/resolve-vm.ts';
import { parseImageRef } from '../../options/option.ts';
import { planCommit, planRemoveVms, planStop } from '../../plan/store-commands.ts';
import { failed, ok } from '../../problem.ts';
import { type CommandDef, type Invocation, PLAN_SWITCHES, performOrShow } from '../command.ts';
import { storesIn } from './layers.ts';
import { namedVms } from './short-names.ts';

/** `stop NAME…`: end running VMs. */
export const stop: CommandDef = {
  name: 'stop',
  operands: '<name...>',
  completes: ['running'],
  scope: 'everywhere',
  help: 'end running VMs, and return when they are gone',
  switches: [{ flags: '-k, --kill', help: 'at once, without asking the guest' }, ...PLAN_SWITCHES],
  takesQemuArguments: false,
  intend: async (invocation) => {
    const vms = await namedVms(invocation, invocation.operands);
    return performOrShow(invocation, ok(planStop(vms, invocation.switches['kill'] === true)));
  },
};

/** `rm NAME…`: remove VMs. */
export const rm: CommandDef = {
  name: 'rm',
  operands: '<name...>',
  completes: ['stored'],
  scope: 'everywhere',
  help: 'remove VMs and their disks from the VM store',
  switches: [{ flags: '-f, --force', help: 'stop those that run first' }, ...PLAN_SWITCHES],
  takesQemuArguments: false,
  intend: (invocation) => {
    const plan = planRemoveVms(named(invocation), invocation.switches['force'] === true);
    return Promise.resolve(performOrShow(invocation, ok(plan)));
  },
};

/** `commit VM IMAGE`: an image from a VM's disk. */
export const commit: CommandDef = {
  name: 'commit',
  operands: '<vm> <image>',
  completes: ['stored'],
  scope: 'commit',
  help: 'make an image of the first disk of a VM that does not run',
  switches: PLAN_SWITCHES,
  takesQemuArguments: false,
  intend: (invocation) => {
    const [vm = '', image = ''] = invocation.operands;
    const { backend, vmstore } = storesIn(invocation);
    const ref = image.includes(',') ? 'must be a name, without a comma' : parseImageRef(image);
    if (typeof ref === 'string') {
      const message = `IMAGE ${ref}`;
      const where = { kind: 'flag' as const, flag: 'IMAGE', value: image };
      return Promise.resolve(failed({ reason: 'usage', message, where }));
    }
    const { loginKey } = vmPaths(vmstore, vm);
    const builder = builderOf(mergeLayers([invocation.flags]).values);
    const plan = planCommit({ name: vm, vmstore }, { image, backend }, existsSync(loginKey), builder);
    return Promise.resolve(performOrShow(invocation, ok(plan)));
  },
};

/** `ps`: the VMs of the store. */
export const ps: CommandDef = {
  name: 'ps',
  operands: '',
  scope: 'everywhere',
  help: 'list the VMs that run',
  switches: [
    { flags: '-a, --all', help: 'also the VMs of the VM store that do not run' },
    { flags: '--ssh', help: 'show how each is reached over ssh' },
    { flags: '--pid', help: 'show the process of each QEMU' },
    {
      flags: '--json',
      help: 'as JSON: an array of { name, images, status, stored, started, created, pid, owner, ssh, forwards }',
    },
  ],
  takesQemuArguments: false,
  intend: (invocation) => {
    const { all, json, ssh, pid } = invocation.switches;
    const intent = {
      kind: 'vms' as const,
      vmstore: storesIn(invocation).vmstore,
      all: all === true,
      json: json === true,
      columns: { ssh: ssh === true, pid: pid === true },
    };
    return Promise.resolve(ok(intent));
  },
};

/** The VMs that the operands name, each once. */
function named(invocation: Invocation): { name: string; vmstore: string }[] {
  const { vmstore } = storesIn(invocation);
  return [...new Set(invocation.operands)].map((name) => ({ name, vmstore }));
}
