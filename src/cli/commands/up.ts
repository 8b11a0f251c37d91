import { findProject } from '../../host/project-registry.ts';
import type { Result } from '../../problem.ts';
import { failed, ok } from '../../problem.ts';
import type { CommandDef, Intent, Invocation, Keeping } from '../command.ts';
import { PLAN_SWITCHES } from '../command.ts';
import { SESSION_SWITCHES } from './jobs.ts';
import { RUN_FILE_SWITCHES, runFilesOf, refuseKeeping } from './run-files.ts';
import { HoldingBack } from '../../plan/pending-restart.ts';
import type { ProjectIntent } from './project.ts';
import {
  FILE_SWITCH,
  intendProject,
  isPiped,
  orderOf,
  pathOf,
  placeOf,
  replanProject,
  wantedNow,
} from './project.ts';

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
    ...PLAN_SWITCHES,
  ],
  takesQemuArguments: true,
  intend: async (invocation) => {
    if (invocation.switches['watch'] === true) return watching(invocation);
    const project = await intendProject(invocation);
    if (!project.ok) return project;
    if (invocation.switches['plan'] === true)
      return ok({ kind: 'tree', plan: planOf(project.value), place: project.value.place });
    const keeping = runFilesOf(invocation, project.value.project);
    if (!keeping.ok) return keeping;
    return performing(project.value, keeping.value, invocation);
  },
};

async function watching(invocation: Invocation): Promise<Result<Intent>> {
  const path = pathOf(invocation);
  if (!path.ok) return path;
  if (isPiped(path.value)) {
    return failed({
      reason: 'conflict',
      message: '--watch reads the Transientfile whenever it changes, but a pipe can be read only once',
      where: { kind: 'flag', flag: '--watch' },
      hint: 'save it to a file and pass that with --file',
    });
  }
  const refused = refuseKeeping(invocation, '--watch');
  if (!refused.ok) return refused;
  const record = findProject(invocation.environment, path.value);
  if (record !== undefined || invocation.switches['detach'] === true) {
    return failed({
      reason: 'conflict',
      message:
        record === undefined
          ? '--watch runs in the foreground and cannot be combined with --detach'
          : `the project is already running detached, as process ${record.owner.pid}`,
      where: { kind: 'flag', flag: '--watch' },
      hint: record === undefined ? 'leave one of them out' : 'stop it first: transient down',
    });
  }
  // reports problems of the file before watching it
  const begun = await wantedNow(invocation);
  if (!begun.ok) return begun;
  const holding = new HoldingBack(begun.value);
  if (invocation.switches['plan'] === true) {
    const first = await replanProject(invocation, [], [], holding);
    return first.ok
      ? ok({ kind: 'tree', plan: first.value.change.plan, place: placeOf(path.value, invocation) })
      : first;
  }
  return ok({
    kind: 'watch',
    replan: async (existing, touched) => {
      const again = await replanProject(invocation, existing, touched, holding);
      if (!again.ok) return again;
      const { change, files, news } = again.value;
      return ok({ order: orderOf(change), files, news });
    },
  });
}

/** The plan of a project intent of either kind. */
export function planOf(project: ProjectIntent): Extract<ProjectIntent, { kind: 'session' }>['plan'] {
  return project.kind === 'session' ? project.plan : project.change.plan;
}

function performing(project: ProjectIntent, keeping: Keeping, invocation: Invocation): Result<Intent> {
  if (project.kind === 'session') return ok({ kind: 'perform', plan: project.plan, keeping });
  const refused = refuseKeeping(invocation, 'detached VMs', ['report']);
  if (!refused.ok) return refused;
  const { change, record, file, project: name } = project;
  const { starting, staying } = change;
  if (starting.length === 0) {
    const vms = staying.length === 1 ? 'the VM is running' : `${staying.length} VMs are running`;
    const isComing = record?.vms.some(({ state }) => state === 'starting') === true;
    const coming = isComing ? '; another command is starting some of them' : '';
    const unlogged = keeping.logDirectory === undefined ? '' : '; nothing is logged for running VMs';
    return ok({ kind: 'say', note: `Nothing to do: ${vms} as configured${coming}${unlogged}` });
  }
  return ok({
    kind: 'order',
    order: orderOf(change),
    record,
    file,
    project: name,
    isLast: false,
    keeping,
  });
}
