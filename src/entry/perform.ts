import type { PerformIntent } from '../cli/command.ts';
import { reportProblems, reportWarning, type Looks } from '../cli/report.ts';
import { openRunDirectory } from '../host/run-directory.ts';
import { vmsOf } from '../plan/graph.ts';
import type { Plan } from '../plan/step.ts';
import { GithubGroups } from '../run/github-groups.ts';
import { guestOutputs } from '../run/guest-output.ts';
import { listrView } from '../run/listr-view.ts';
import type { RunResult, RunSignals, View } from '../run/runner.ts';
import { runPlan } from '../run/runner.ts';
import { openRunFiles } from './run-files.ts';
import { outletOf } from './outlets.ts';
import { notBegun, obstaclesTo } from './preflight.ts';
import { printNote, print } from './output.ts';
import { wireExecutors } from './wiring.ts';

/** Runs a plan and reports the result; returns the exit code. */
export async function perform(
  { plan, keeping }: PerformIntent,
  looks: Looks,
  signals: RunSignals,
): Promise<number> {
  const files = await openRunFiles(plan, keeping);
  const obstacles = await obstaclesTo(plan);
  const result =
    obstacles.length > 0 ? notBegun(plan, obstacles) : await run(plan, looks, signals, files.wrap);
  result.output.forEach((line) => print(`${line}\n`));
  reportProblems(result.problems, looks);
  const unwritten = await files.end(result);
  reportProblems(unwritten, looks);
  return result.exitCode || (unwritten.length > 0 ? 1 : 0);
}

async function run(
  plan: Plan,
  looks: Looks,
  signals: RunSignals,
  wrap: (view: View) => View,
): Promise<RunResult> {
  const directory = await openRunDirectory(process.env);
  const fold = process.env['GITHUB_ACTIONS'] === 'true' ? new GithubGroups(plan, printNote) : undefined;
  try {
    const vms = vmsOf(plan.steps);
    const executors = wireExecutors({
      runDirectory: directory.path,
      outputOf: guestOutputs(() => vms, outletOf(process.stdout), outletOf(process.stderr)),
      warn: (problem) => reportWarning(problem, looks),
    });
    // interleaved output of guests would garble a live screen
    const live = looks.live && !hasOutput(plan) && fold === undefined;
    const view = wrap(listrView({ ...looks, live }));
    return await runPlan(
      plan,
      { ...executors, 'session.end': notSupervised },
      signals,
      fold?.wrap(view) ?? view,
    );
  } finally {
    fold?.end();
    await directory.remove();
  }
}

function notSupervised(): Promise<void> {
  throw new Error('only a supervisor ends what it has been running');
}

/** Whether output of guests is shown during the run. */
function hasOutput({ steps }: Plan): boolean {
  return steps.some(
    (step) =>
      ('ownsTerminal' in step && !step.ownsTerminal) ||
      ('showSerial' in step && step.showSerial === 'always'),
  );
}
