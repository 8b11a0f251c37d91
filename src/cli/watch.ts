import { findProject } from '../daemon/registry.ts';
import type { Replan } from '../daemon/watch.ts';
import { openRunDirectory } from '../host/run-directory.ts';
import { independent } from '../plan/graph.ts';
import { HoldingBack } from '../plan/pending-restart.ts';
import type { Wanted } from '../plan/project.ts';
import { resolutionsFor } from '../plan/stored-state.ts';
import type { Result } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import { guestOutputs } from '../run/guest-output.ts';
import { listenForSignals } from '../run/signals.ts';
import type { Invocation } from './command.ts';
import type { Output } from './output.ts';
import { outletOf } from './output.ts';
import { pinnedPlan } from './build-pins.ts';
import { printPlan } from './plan-output.ts';
import { refuseObstacles } from './preflight.ts';
import { isPiped, pathOf, placeOf } from './project-file.ts';
import { replanProject, wantedNow } from './project.ts';
import { refuseRunFiles } from './run-file-switches.ts';

/** Updates the VMs of a project in the foreground whenever one of its files changes, until a signal. */
export async function watchProject(invocation: Invocation, output: Output): Promise<Result<number>> {
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
  const refused = refuseRunFiles(invocation, '--watch');
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
  const planned = await wantedNow(invocation);
  if (!planned.ok) return planned;
  const pinned = await pinBuilds(planned.value, invocation, output);
  if (!pinned.ok) return pinned;
  if (pinned.value !== 0) return ok(pinned.value);
  const begun = await wantedNow(invocation);
  if (!begun.ok) return begun;
  const holding = new HoldingBack(begun.value);
  const replan: Replan = async (existing, touched) => replanProject(invocation, existing, touched, holding);
  const first = await replan([], []);
  if (!first.ok) return first;
  const { plan } = first.value.request;
  if (invocation.switches['plan'] === true)
    return ok(await printPlan({ plan, place: placeOf(path.value, invocation) }, output));
  // an obstacle to the first plan ends the command instead of waiting for a change
  const possible = await refuseObstacles(plan);
  return possible.ok ? ok(await watch(replan, output)) : possible;
}

/** Pins the builds of images before anything runs, unless the plan is only shown; returns the exit code. */
async function pinBuilds(
  wanted: readonly Wanted[],
  { switches }: Invocation,
  output: Output,
): Promise<Result<number>> {
  if (switches['plan'] === true) return ok(0);
  const resolving = { plan: independent(resolutionsFor(wanted.map(({ spec }) => spec))) };
  const pinned = await pinnedPlan(resolving, () => ok({ plan: independent([]) }), output);
  if (!pinned.ok) return pinned;
  return ok('exitCode' in pinned.value ? pinned.value.exitCode : 0);
}

/** Runs the VMs while watching the files of their plans; returns the exit code. */
async function watch(replan: Replan, output: Output): Promise<number> {
  const signals = listenForSignals();
  const [{ watchFiles }, { Supervisor }, { createExecutors }] = await Promise.all([
    import('../daemon/watch.ts'),
    import('../daemon/supervisor.ts'),
    import('../executors.ts'),
  ]);
  const directory = await openRunDirectory(process.env);
  try {
    const names = (): readonly string[] => supervisor.outputNames;
    const supervisor = new Supervisor(
      createExecutors({
        runDirectory: directory.path,
        outputOf: guestOutputs(names, outletOf(process.stdout), outletOf(process.stderr)),
        warn: (problem) => output.warn(problem),
      }),
    );
    for (const signal of [signals.abort, signals.kill])
      signal.addEventListener('abort', () => supervisor.endAll());
    const replanChecked: Replan = async (...changes) => {
      const planned = await replan(...changes);
      if (!planned.ok) return planned;
      const possible = await refuseObstacles(planned.value.request.plan);
      return possible.ok ? planned : possible;
    };
    try {
      await watchFiles(replanChecked, supervisor, output, signals.abort);
    } finally {
      if (supervisor.isBusy && !signals.abort.aborted) supervisor.endAll();
      await supervisor.finished();
    }
    return signals.exitCode() ?? 0;
  } finally {
    await directory.remove();
  }
}
