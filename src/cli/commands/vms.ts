import { existsSync } from 'node:fs';
import { vmPaths } from '../../host/store-layout.ts';
import { mergeLayers } from '../../config/merge.ts';
import { builderOf } from '../../config/copies.ts';
import { imageSpec } from '../../options/values/image-spec.ts';
import { decodeOperand } from '../../options/values/value-type.ts';
import { planCommit, planRemoveVms, planStop } from '../../plan/store-commands.ts';
import type { Problem } from '../../problem.ts';
import { failed, ok } from '../../problem.ts';
import { type CommandDef, type Invocation, PLAN_SWITCHES, performOrShow } from '../command.ts';
import { storesIn } from './layers.ts';
import { namedVms } from './short-names.ts';

/** `stop NAME…`: stops running VMs. */
export const stop: CommandDef = {
  name: 'stop',
  operands: '<name...>',
  completes: ['running'],
  scope: 'everywhere',
  help: 'stop running VMs and wait until they have stopped',
  switches: [{ flags: '-k, --kill', help: 'kill the VM without shutting it down' }, ...PLAN_SWITCHES],
  takesQemuArguments: false,
  intend: async (invocation) => {
    const vms = await namedVms(invocation, invocation.operands);
    return performOrShow(invocation, ok(planStop(vms, invocation.switches['kill'] === true)));
  },
};

/** `rm NAME…`: removes VMs. */
export const rm: CommandDef = {
  name: 'rm',
  operands: '<name...>',
  completes: ['stored'],
  scope: 'everywhere',
  help: 'remove VMs and their disks from the VM store',
  switches: [{ flags: '-f, --force', help: 'stop running VMs first' }, ...PLAN_SWITCHES],
  takesQemuArguments: false,
  intend: (invocation) => {
    const plan = planRemoveVms(named(invocation), invocation.switches['force'] === true);
    return Promise.resolve(performOrShow(invocation, ok(plan)));
  },
};

/** `commit VM IMAGE`: creates an image from a VM's disk. */
export const commit: CommandDef = {
  name: 'commit',
  operands: '<vm> <image>',
  completes: ['stored'],
  scope: 'commit',
  help: 'create an image from the first disk of a stopped VM',
  switches: PLAN_SWITCHES,
  takesQemuArguments: false,
  intend: (invocation) => {
    const [vm = '', image = ''] = invocation.operands;
    const { backend, vmstore } = storesIn(invocation);
    const where = { kind: 'flag' as const, flag: 'IMAGE', value: image };
    const problemOf = (error: string): Problem => ({ reason: 'usage', message: `IMAGE ${error}`, where });
    const name = image.includes(',')
      ? failed(problemOf('must be a name, without a comma'))
      : decodeOperand(imageSpec, image, problemOf);
    if (!name.ok) return Promise.resolve(name);
    const { loginKey } = vmPaths(vmstore, vm);
    const builder = builderOf(mergeLayers([invocation.flags]).values);
    const plan = planCommit({ name: vm, vmstore }, { image, backend }, existsSync(loginKey), builder);
    return Promise.resolve(performOrShow(invocation, ok(plan)));
  },
};

/** `ps`: lists the VMs of the store. */
export const ps: CommandDef = {
  name: 'ps',
  operands: '',
  scope: 'everywhere',
  help: 'list running VMs',
  switches: [
    { flags: '-a, --all', help: 'also list stopped VMs of the VM store' },
    { flags: '--ssh', help: 'show the ssh address of each VM' },
    { flags: '--pid', help: 'show the process ID of each QEMU' },
    {
      flags: '--json',
      help: 'print a JSON array of { name, images, status, stored, started, created, pid, owner, ssh, forwards }',
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

/** VMs named by the operands, without duplicates. */
function named(invocation: Invocation): { name: string; vmstore: string }[] {
  const { vmstore } = storesIn(invocation);
  return [...new Set(invocation.operands)].map((name) => ({ name, vmstore }));
}
