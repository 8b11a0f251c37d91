import type { Plan } from '../plan/step.ts';
import type { Problem } from '../problem.ts';
import type { RunResult, View } from '../run/runner.ts';
import type { RunFileOptions } from './command.ts';
import { prepareLogDirectory } from './log-directory.ts';

/** Files about a run: a wrapper of its view, and the writing of reports at its end. */
export interface RunFiles {
  readonly wrap: (view: View) => View;
  /** Returns what could not be written. */
  readonly end: (result: RunResult) => Promise<readonly Problem[]>;
}

const NOTHING: RunFiles = { wrap: (view) => view, end: () => Promise.resolve([]) };

/** Opens the requested files; files that cannot be written are reported before the run starts. */
export async function openRunFiles(plan: Plan, options: RunFileOptions | undefined): Promise<RunFiles> {
  if (options === undefined) return NOTHING;
  const { title, reports, logDirectory } = options;
  if (logDirectory !== undefined) await prepareLogDirectory(logDirectory, plan);
  if (reports.length === 0) return NOTHING;
  const [{ Recorder }, { reportOf }, { ReportFiles }] = await Promise.all([
    import('../run/recorder.ts'),
    import('../report/run-report.ts'),
    import('../report/report-files.ts'),
  ]);
  const facts = { title, plan, began: Date.now(), recorder: new Recorder() };
  const files = await ReportFiles.begin(reports, reportOf(facts, facts.began));
  return {
    wrap: (view) => facts.recorder.wrap(view),
    end: async (result) => files.end(reportOf({ ...facts, result }, Date.now())),
  };
}
