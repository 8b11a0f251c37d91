import { resolveStored } from '../../config/resolve.ts';
import { noVm } from '../../config/stored-problems.ts';
import { mergeLayers, storesOf } from '../../config/merge.ts';
import { planSession } from '../../plan/session.ts';
import { failed, ok } from '../../problem.ts';
import { type CommandDef, PLAN_SWITCHES, performOrShow } from '../command.ts';
import { RUN_FILE_SWITCHES, runFilesOf } from './run-files.ts';
import { typedLayers } from './layers.ts';
import { loadStoredVm } from '../../vmstore/load.ts';

/** `start NAME`: runs a session of a stored VM. */
export const start: CommandDef = {
  name: 'start',
  operands: '<name>',
  completes: ['stored'],
  scope: 'start',
  help: 'start a VM of the VM store; flags override the stored options',
  switches: [...RUN_FILE_SWITCHES, ...PLAN_SWITCHES],
  refuses: {
    '--extra-image': 'disks are added when a VM is created; use this option with "transient create"',
  },
  takesQemuArguments: true,
  intend: async (invocation) => {
    const layers = await typedLayers(invocation);
    if (!layers.ok) return layers;
    const { operands, environment } = invocation;
    const [name = ''] = operands;
    const stored = await loadStoredVm(storesOf(mergeLayers(layers.value).values, environment).vmstore, name);
    if (!stored.ok) return stored;
    if (stored.value === undefined) return failed(noVm(name));
    const keeping = runFilesOf(invocation, name);
    if (!keeping.ok) return keeping;
    const spec = resolveStored({ name, stored: stored.value }, layers.value, environment);
    if (!spec.ok) return spec;
    return performOrShow(invocation, ok(planSession([spec.value], keeping.value)), keeping.value);
  },
};
