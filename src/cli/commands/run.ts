import { resolveRun, resolveStored } from '../../config/resolve.ts';
import { mergeLayers, storesOf } from '../../config/merge.ts';
import type { StoredVm } from '../../config/stored-vm.ts';
import { imagesOf } from '../../config/stored-vm.ts';
import type { VmSpec } from '../../config/vm-spec.ts';
import type { Layer } from '../../options/layer.ts';
import type { ImageRef } from '../../options/values/image-spec.ts';
import { planSession } from '../../plan/session.ts';
import type { Result } from '../../problem.ts';
import { ok } from '../../problem.ts';
import { type CommandDef, type Invocation, PLAN_SWITCH } from '../command.ts';
import { UNVERIFIED_SWITCH, lookupFor } from '../image-names.ts';
import { imageOperand } from '../image-operand.ts';
import { RUN_FILE_SWITCHES, runFileOptions } from '../run-file-switches.ts';
import { typedLayers } from '../typed-layers.ts';

/** `run IMAGE`: one VM's whole session; with a name its state stays. */
export const run: CommandDef = {
  name: 'run',
  operands: '<image>',
  completes: ['available'],
  scope: 'run',
  help: 'run a VM from an image (such as debian:13, NAME or NAME,PROTOCOL=SOURCE); without --name its state is discarded',
  switches: [...RUN_FILE_SWITCHES, UNVERIFIED_SWITCH, PLAN_SWITCH],
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
  invocation: Invocation,
  layers: readonly Layer[],
): Promise<Result<VmSpec>> {
  const { environment } = invocation;
  const { values } = mergeLayers(layers);
  const { backend, vmstore } = storesOf(values, environment);
  const stored = await storedVm(vmstore, values.name);
  if (!stored.ok) return stored;
  const images = [image, ...(values['extra-image'] ?? []), ...(stored.value ? imagesOf(stored.value) : [])];
  const lookup = await lookupFor(images, backend, invocation);
  const { name } = values;
  // several can run from one image
  const who = name === undefined ? { instance: `${image.name}-${process.pid}` } : { name };
  // resolves the given image for a stored VM too, so that a different one than the VM has is reported
  const fresh = resolveRun(image, layers, environment, who, lookup);
  if (!fresh.ok || name === undefined || stored.value === undefined) return fresh;
  const spec = resolveStored({ name, stored: stored.value }, layers, environment, lookup);
  return spec.ok ? ok({ ...spec.value, images: fresh.value.images }) : spec;
}

async function storedVm(vmstore: string, name: string | undefined): Promise<Result<StoredVm | undefined>> {
  if (name === undefined) return ok(undefined);
  const { loadStoredVm } = await import('../../vmstore/load.ts');
  return loadStoredVm(vmstore, name);
}
