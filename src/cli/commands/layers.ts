import { loadOptionsFile } from '../../config/options-file.ts';
import type { Stores } from '../../config/merge.ts';
import { environmentLayer, mergeLayers, storesOf } from '../../config/merge.ts';
import type { Layer } from '../../options/layer.ts';
import type { Result } from '../../problem.ts';
import { ok } from '../../problem.ts';
import type { Invocation } from '../command.ts';

/** What a command line says of one VM, the later over the earlier: the file of `--config`, the environment, the flags. */
export async function typedLayers({
  flags,
  environment,
  workingDirectory,
}: Invocation): Promise<Result<Layer[]>> {
  const above = [environmentLayer(environment, workingDirectory), flags];
  const path = flags.values.config;
  if (path === undefined) return ok(above);
  const file = await loadOptionsFile(path, workingDirectory);
  return file.ok ? ok([file.value, ...above]) : file;
}

/** The stores that a command line is about. */
export function storesIn({
  flags,
  environment,
  workingDirectory,
}: Pick<Invocation, 'flags' | 'environment' | 'workingDirectory'>): Stores {
  const layers = [environmentLayer(environment, workingDirectory), flags];
  return storesOf(mergeLayers(layers).values, environment);
}
