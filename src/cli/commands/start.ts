import { resolveStored } from '../../config/resolve.ts';
import { noVm } from '../../config/stored-problems.ts';
import { imagesOf } from '../../config/stored-vm.ts';
import { mergeLayers, storesOf } from '../../config/merge.ts';
import { planSession } from '../../plan/session.ts';
import { failed, ok } from '../../problem.ts';
import { lookupFor } from '../image-names.ts';
import { type CommandDef, PLAN_SWITCH } from '../command.ts';
import { RUN_FILE_SWITCHES, runFileOptions } from '../run-file-switches.ts';
import { typedLayers } from '../typed-layers.ts';

/** `start NAME`: runs a session of a stored VM. */
export const start: CommandDef = {
  name: 'start',
  operands: '<name>',
  completes: ['stored'],
  scope: 'start',
  help: 'start a VM of the VM store; flags override the stored options',
  switches: [...RUN_FILE_SWITCHES, PLAN_SWITCH],
  refuses: {
    '--extra-image': 'disks are added when a VM is created; use this option with "transient create"',
  },
  takesQemuArguments: true,
  plan: async (invocation) => {
    const layers = await typedLayers(invocation);
    if (!layers.ok) return layers;
    const { operands, environment } = invocation;
    const [name = ''] = operands;
    const { backend, vmstore } = storesOf(mergeLayers(layers.value).values, environment);
    const { loadStoredVm } = await import('../../vmstore/load.ts');
    const stored = await loadStoredVm(vmstore, name);
    if (!stored.ok) return stored;
    if (stored.value === undefined) return failed(noVm(name));
    const files = runFileOptions(invocation, name);
    if (!files.ok) return files;
    const lookup = await lookupFor(imagesOf(stored.value), backend, invocation);
    const spec = resolveStored({ name, stored: stored.value }, layers.value, environment, lookup);
    return spec.ok ? ok({ plan: planSession([spec.value], files.value), files: files.value }) : spec;
  },
};
