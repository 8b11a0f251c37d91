import { randomBytes } from 'node:crypto';
import { resolveRun } from '../../config/resolve.ts';
import { mergeLayers, storesOf } from '../../config/merge.ts';
import { planCreate } from '../../plan/stored-state.ts';
import type { ImageRef } from '../../options/values/image-spec.ts';
import { ok } from '../../problem.ts';
import { type CommandDef, PLAN_SWITCH } from '../command.ts';
import { UNVERIFIED_SWITCH, lookupFor } from '../image-names.ts';
import { imageOperand } from '../image-operand.ts';
import { typedLayers } from '../typed-layers.ts';

const NO_COPIES =
  'files are copied when a VM runs; use this option with "transient start" or "transient run"';

/** `create IMAGE`: creates a VM in the VM store, with the options that `start` runs it with. */
export const create: CommandDef = {
  name: 'create',
  operands: '<image>',
  completes: ['available'],
  scope: 'create',
  help: 'create a VM in the VM store from an image (such as debian:13, NAME or NAME,PROTOCOL=SOURCE), without starting it',
  switches: [UNVERIFIED_SWITCH, PLAN_SWITCH],
  refuses: {
    '--copy-in-before': NO_COPIES,
    '-b': NO_COPIES,
    '--copy-out-after': NO_COPIES,
    '-a': NO_COPIES,
  },
  takesQemuArguments: true,
  plan: async (invocation) => {
    const layers = await typedLayers(invocation);
    if (!layers.ok) return layers;
    const image = imageOperand(invocation);
    if (!image.ok) return image;
    const { values } = mergeLayers(layers.value);
    const name = values.name ?? generatedName(image.value);
    const { backend } = storesOf(values, invocation.environment);
    const lookup = await lookupFor([image.value, ...(values['extra-image'] ?? [])], backend, invocation);
    const spec = resolveRun(image.value, layers.value, invocation.environment, { name }, lookup);
    return spec.ok ? ok({ plan: planCreate(spec.value) }) : spec;
  },
};

/** Generates a name for an unnamed VM from its image. */
function generatedName({ name }: ImageRef): string {
  const base = name
    .replaceAll(/[^A-Za-z0-9.]+/g, '-')
    .replaceAll(/^[-.]+|-+$/g, '')
    .slice(0, 40);
  return `${base || 'vm'}-${randomBytes(3).toString('hex')}`;
}
