import { resolveRun, resolveStored } from '../../config/resolve.ts';
import { mergeLayers, storesOf } from '../../config/merge.ts';
import type { VmSpec } from '../../config/vm-spec.ts';
import type { Layer } from '../../options/layer.ts';
import type { ImageRef } from '../../options/values/image-spec.ts';
import { planSession } from '../../plan/session.ts';
import type { Result } from '../../problem.ts';
import { ok } from '../../problem.ts';
import { type CommandDef, type Invocation, PLAN_SWITCH } from '../command.ts';
import { imageOperand } from '../image-operand.ts';
import { RUN_FILE_SWITCHES, runFileOptions } from '../run-file-switches.ts';
import { typedLayers } from '../typed-layers.ts';

/** `run IMAGE`: one VM's whole session; with a name its state stays. */
export const run: CommandDef = {
  name: 'run',
  operands: '<image>',
  completes: ['images'],
  scope: 'run',
  help: 'run a VM from an image (NAME or NAME,PROTOCOL=SOURCE); without --name its state is discarded',
  switches: [...RUN_FILE_SWITCHES, PLAN_SWITCH],
  takesQemuArguments: true,
  plan: async (invocation) => {
    const layers = await typedLayers(invocation);
    if (!layers.ok) return layers;
    const image = imageOperand(invocation);
    if (!image.ok) return image;
    const title = mergeLayers(layers.value).values.name ?? image.value.name;
    const files = runFileOptions(invocation, title);
    if (!files.ok) return files;
    const spec = await specOf(image.value, invocation, layers.value);
    return spec.ok ? ok({ plan: planSession([spec.value], files.value), files: files.value }) : spec;
  },
};

async function specOf(
  image: ImageRef,
  { environment }: Invocation,
  layers: readonly Layer[],
): Promise<Result<VmSpec>> {
  const { values } = mergeLayers(layers);
  const fresh = (who: { name: string } | { instance: string }): Result<VmSpec> =>
    resolveRun(image, layers, environment, who);
  // several can run from one image
  if (values.name === undefined) return fresh({ instance: `${image.name}-${process.pid}` });
  const { loadStoredVm } = await import('../../vmstore/load.ts');
  const stored = await loadStoredVm(storesOf(values, environment).vmstore, values.name);
  if (!stored.ok) return stored;
  if (stored.value === undefined) return fresh({ name: values.name });
  // still resolves the given image, so that a different one than the VM has is reported
  const asked = fresh({ name: values.name });
  if (!asked.ok) return asked;
  const spec = resolveStored({ name: values.name, stored: stored.value }, layers, environment);
  return spec.ok ? ok({ ...spec.value, images: asked.value.images }) : spec;
}
