import type { Result } from '../../problem.ts';
import { ok } from '../../problem.ts';
import type { CommandDef, Invocation, RunFileOptions } from '../command.ts';
import { PLAN_SWITCH } from '../command.ts';
import type { Output } from '../output.ts';
import { printPlan } from '../plan-output.ts';
import { FILE_SWITCH, LOCKED_SWITCH } from '../project-file.ts';
import { UNVERIFIED_SWITCH } from '../image-names.ts';
import { pinnedPlan } from '../build-pins.ts';
import type { DetachedChange, ProjectPlan } from '../project.ts';
import { planProject, requestFor } from '../project.ts';
import { RUN_FILE_SWITCHES, refuseRunFiles, runFileOptions } from '../run-file-switches.ts';
import { SESSION_SWITCHES } from '../session-switches.ts';
import { watchProject } from '../watch.ts';

/** `up [VM…]`: performs the plan of a project. */
export const up: CommandDef = {
  name: 'up',
  operands: '[vm...]',
  completes: ['project'],
  scope: 'up',
  help: 'run the VMs of the Transientfile, or the named ones and their dependencies',
  switches: [
    FILE_SWITCH,
    {
      flags: '-d, --detach',
      help: 'return when all VMs are ready, leaving them running until "transient down"',
    },
    {
      flags: '--watch',
      help: 'when the file or a source of a copy changes, update the VMs and run commands again',
    },
    ...SESSION_SWITCHES,
    ...RUN_FILE_SWITCHES,
    LOCKED_SWITCH,
    UNVERIFIED_SWITCH,
    PLAN_SWITCH,
  ],
  takesQemuArguments: true,
  run: async (invocation, output) => {
    if (invocation.switches['watch'] === true) return watchProject(invocation, output);
    const planned = await planProject(invocation);
    if (!planned.ok) return planned;
    if (invocation.switches['plan'] === true) return ok(await printPlan(planned.value, output));
    const files = runFileOptions(invocation, planned.value.project);
    if (!files.ok) return files;
    const pinned = await pinnedPlan(
      { ...planned.value, files: files.value },
      async () => withFiles(await planProject(invocation), files.value),
      output,
    );
    if (!pinned.ok) return pinned;
    if ('exitCode' in pinned.value) return ok(pinned.value.exitCode);
    const { project, detached } = pinned.value.planned;
    if (detached !== undefined) return detach(project, detached, files.value, invocation, output);
    const { perform } = await import('../perform.ts');
    return ok(await perform(pinned.value.planned, output));
  },
};

function withFiles(
  planned: Result<ProjectPlan>,
  files: RunFileOptions,
): Result<ProjectPlan & { readonly files: RunFileOptions }> {
  return planned.ok ? ok({ ...planned.value, files }) : planned;
}

/** Starts and replaces VMs of the detached project. */
async function detach(
  project: string,
  detached: DetachedChange,
  files: RunFileOptions,
  invocation: Invocation,
  output: Output,
): Promise<Result<number>> {
  const refused = refuseRunFiles(invocation, 'detached VMs', ['report']);
  if (!refused.ok) return refused;
  const { change, record, file } = detached;
  if (change.starting.length === 0)
    return ok(output.note(nothingToDo(detached, files.logDirectory !== undefined)));
  const { performDetached } = await import('../detached-project.ts');
  const request = { request: requestFor(change), record, file, project };
  return performDetached(request, output, files);
}

function nothingToDo({ change: { staying }, record }: DetachedChange, isLogged: boolean): string {
  const vms = staying.length === 1 ? 'the VM is running' : `${staying.length} VMs are running`;
  const isComing = record?.vms.some(({ state }) => state === 'starting') === true;
  const coming = isComing ? '; another command is starting some of them' : '';
  const unlogged = isLogged ? '; nothing is logged for running VMs' : '';
  return `Nothing to do: ${vms} as configured${coming}${unlogged}`;
}
