import { environmentLayer, resolveProject } from '../../config/resolve.ts';
import { findTransientfile, loadTransientfile, selectVms } from '../../config/transientfile.ts';
import { placed } from '../../config/placement.ts';
import { planSession } from '../../plan/session.ts';
import type { Plan } from '../../plan/step.ts';
import type { Result } from '../../problem.ts';
import { failed, ok } from '../../problem.ts';
import type { Invocation, Switch } from '../command.ts';

/** Names the Transientfile, on every command that reads one. */
export const FILE_SWITCH: Switch = {
  flags: '--file <PATH>',
  help: 'the Transientfile to read [default: Transientfile.toml here or in a directory above]',
};

/** The plan for the VMs of the project's Transientfile that were named, with the flags over it. */
export async function planProject(invocation: Invocation): Promise<Result<Plan>> {
  const { workingDirectory, environment, flags, switches, operands } = invocation;
  const path = findTransientfile(workingDirectory, switches['file'] as string | undefined);
  if (!path.ok) return path;
  const file = await loadTransientfile(path.value, workingDirectory);
  if (!file.ok) return file;
  const selected = selectVms(file.value, operands);
  if (!selected.ok) return selected;
  const above = [environmentLayer(environment, workingDirectory), flags];
  const specs = resolveProject(file.value, selected.value, above, environment);
  if (!specs.ok) return failed(...(await placed(specs.problems, file.value.document)));
  return ok(planSession(specs.value));
}
