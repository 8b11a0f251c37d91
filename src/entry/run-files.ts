import type { Keeping } from '../cli/command.ts';
import type { Plan } from '../plan/step.ts';
import type { Problem } from '../problem.ts';
import type { RunResult, View } from '../run/runner.ts';
import { prepareLogDirectory } from './log-directory.ts';

/** What keeps a run in files: a part of its view, and what is written when it has ended. */
export interface RunFiles {
  readonly over: (view: View) => View;
  /** Returns what could not be written. */
  readonly end: (result: RunResult) => Promise<readonly Problem[]>;
}

const NOTHING: RunFiles = { over: (view) => view, end: () => Promise.resolve([]) };

/** Begins to keep what is wanted of a run; what cannot be written is told before anything is done. */
export async function openRunFiles(plan: Plan, keeping: Keeping | undefined): Promise<RunFiles> {
  if (keeping === undefined) return NOTHING;
  const { title, reports, logDirectory } = keeping;
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
    over: (view) => facts.recorder.over(view),
    end: async (result) => files.end(reportOf({ ...facts, result }, Date.now())),
  };
}
