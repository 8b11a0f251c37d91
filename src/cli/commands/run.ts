import { loadOptionsFile } from '../../config/options-file.ts';
import { environmentLayer, resolveRun } from '../../config/resolve.ts';
import type { Layer } from '../../options/layer.ts';
import { planSession } from '../../plan/session.ts';
import type { Result } from '../../problem.ts';
import { ok } from '../../problem.ts';
import { type CommandDef, type Invocation, PLAN_SWITCHES } from '../command.ts';

/** `run IMAGE`: one stateless VM's whole session. */
export const run: CommandDef = {
  name: 'run',
  operands: '<image>',
  scope: 'run',
  help: 'run a VM from an image (NAME or NAME,PROTOCOL=SOURCE) and throw it away afterwards',
  switches: PLAN_SWITCHES,
  takesQemuArguments: true,
  intend: async (invocation) => {
    const layers = await layersOf(invocation);
    if (!layers.ok) return layers;
    const { operands, workingDirectory, environment, switches } = invocation;
    const spec = resolveRun(operands[0] ?? '', layers.value, workingDirectory, environment);
    if (!spec.ok) return spec;
    return ok({ kind: switches['plan'] === true ? 'tree' : 'perform', plan: planSession([spec.value]) });
  },
};

async function layersOf({ flags, environment, workingDirectory }: Invocation): Promise<Result<Layer[]>> {
  const above = [environmentLayer(environment, workingDirectory), flags];
  const path = flags.values.config;
  if (path === undefined) return ok(above);
  const file = await loadOptionsFile(path, workingDirectory);
  return file.ok ? ok([file.value, ...above]) : file;
}
