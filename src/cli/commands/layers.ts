import { loadOptionsFile } from '../../config/options-file.ts';
import type { Stores } from '../../config/merge.ts';
import { environmentLayer, mergeLayers, storesOf } from '../../config/merge.ts';
import type { Layer } from '../../options/layer.ts';
import type { Result } from '../../problem.ts';
import { ok } from '../../problem.ts';
import type { Invocation } from '../command.ts';

/** Layers of a command line for one VM, lowest first: the file given with `--config`, the environment, the flags. */
export async function typedLayers({
  flags,
  environment,
  workingDirectory,
}: Invocation): Promise<Result<Layer[]>> {
  const upper = [environmentLayer(environment, workingDirectory), flags];
  const path = flags.values.config;
  if (path === undefined) return ok(upper);
  const file = await loadOptionsFile(path, workingDirectory);
  return file.ok ? ok([file.value, ...upper]) : file;
}

/** The stores selected by a command line. */
export function storesIn({
  flags,
  environment,
  workingDirectory,
}: Pick<Invocation, 'flags' | 'environment' | 'workingDirectory'>): Stores {
  const layers = [environmentLayer(environment, workingDirectory), flags];
  return storesOf(mergeLayers(layers).values, environment);
}
