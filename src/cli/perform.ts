import { openRunDirectory } from '../host/run-directory.ts';
import { vmsOf } from '../plan/graph.ts';
import type { Plan } from '../plan/step.ts';
import { GithubGroups } from '../run/github-groups.ts';
import { guestOutputs } from '../run/guest-output.ts';
import { listrView } from '../run/listr-view.ts';
import type { RunResult, RunSignals, View } from '../run/runner.ts';
import { runPlan } from '../run/runner.ts';
import { listenForSignals } from '../run/signals.ts';
import type { CommandPlan } from './command.ts';
import type { Output } from './output.ts';
import { outletOf } from './output.ts';
import { notBegun, obstaclesTo } from './preflight.ts';
import { openRunFiles } from './run-files.ts';

/** Runs a plan and reports the result; returns the exit code. */
export async function perform({ plan, files: options }: CommandPlan, output: Output): Promise<number> {
  const signals = listenForSignals();
  const files = await openRunFiles(plan, options);
  const obstacles = await obstaclesTo(plan);
  const result =
    obstacles.length > 0 ? notBegun(plan, obstacles) : await run(plan, output, signals, files.wrap);
  result.output.forEach((line) => output.print(`${line}\n`));
  output.fail(result.problems);
  const unwritten = await files.end(result);
  output.fail(unwritten);
  return result.exitCode || (unwritten.length > 0 ? 1 : 0);
}

async function run(
  plan: Plan,
  output: Output,
  signals: RunSignals,
  wrap: (view: View) => View,
): Promise<RunResult> {
  const { createExecutors } = await import('../executors.ts');
  const directory = await openRunDirectory(process.env);
  const groups =
    process.env['GITHUB_ACTIONS'] === 'true'
      ? new GithubGroups(plan, (line) => output.note(line))
      : undefined;
  try {
    const vms = vmsOf(plan.steps);
    const executors = createExecutors({
      runDirectory: directory.path,
      outputOf: guestOutputs(() => vms, outletOf(process.stdout), outletOf(process.stderr)),
      warn: (problem) => output.warn(problem),
    });
    const { terminal } = output;
    // interleaved output of guests would garble a live screen
    const live = terminal.live && !hasOutput(plan) && groups === undefined;
    const view = wrap(listrView({ ...terminal, live }));
    return await runPlan(plan, executors, signals, groups?.wrap(view) ?? view);
  } finally {
    groups?.end();
    await directory.remove();
  }
}

/** Whether output of guests is shown during the run. */
function hasOutput({ steps }: Plan): boolean {
  return steps.some(
    (step) =>
      ('ownsTerminal' in step && !step.ownsTerminal) ||
      ('showSerial' in step && step.showSerial === 'always'),
  );
}
