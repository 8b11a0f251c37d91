import { closeSync, writeSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { OrderIntent, WatchIntent } from '../cli/command.ts';
import { reportProblems, reportWarning, type Looks } from '../cli/report.ts';
import type { Lock } from '../host/lock.ts';
import type { ProjectEvent } from '../host/projects.ts';
import type { Problem } from '../problem.ts';
import { prepareLogDirectory } from './log-directory.ts';
import { outletOf } from './outlets.ts';
import { SUPERVISE } from './supervise-argument.ts';
import type { RunSignals } from '../run/runner.ts';
import type { SupervisedProject } from '../run/supervise.ts';

/** The descriptor on which a supervisor says that it can be asked. */
const READY = 3;

/** Time between two looks whether a process is gone, in milliseconds. */
const LOOK = 20;

/** Has the process that runs a project detached do something; it is started where there is none. */
export async function order(
  { order: what, record, file, project, isLast, keeping }: OrderIntent,
  signals: RunSignals,
): Promise<number> {
  const [{ askProject }, { startDetached }, { isAlive }] = await Promise.all([
    import('../host/projects.ts'),
    import('../host/child.ts'),
    import('../host/process-mark.ts'),
  ]);
  if (keeping?.logDirectory !== undefined) await prepareLogDirectory(keeping.logDirectory, what.plan);
  const script = process.argv[1] ?? '';
  const run =
    record?.run ??
    (await startDetached(process.execPath, [script, SUPERVISE, JSON.stringify({ file, project })]));
  if (run === undefined) throw new Error('the process that is to run the project has not started');
  const hear = (event: ProjectEvent): void => {
    if ('line' in event) process.stderr.write(`${event.line}\n`);
    if ('output' in event) process.stdout.write(Buffer.from(event.output, 'base64'));
  };
  try {
    const exit = await askProject({ run }, what, hear, signals.abort);
    while (isLast && !signals.abort.aborted && record !== undefined && isAlive(record.owner))
      await delay(LOOK);
    return exit;
  } catch (error) {
    const exit = signals.exitCode();
    if (exit === undefined) throw error;
    return exit;
  }
}

/** Runs a project for as long as anything of it is wanted. */
export async function beSupervisor(project: SupervisedProject): Promise<number> {
  const [{ supervise }, { openRunDirectory }, { wireExecutors }] = await Promise.all([
    import('../run/supervise.ts'),
    import('../host/run-directory.ts'),
    import('./wiring.ts'),
  ]);
  const directory = await openRunDirectory(process.env);
  const lock = await lockProject(directory.path, project.file);
  try {
    // two commands at the same time each start one: the second leaves it to the first
    if (lock === undefined) {
      tellReady(await runOfOther(project.file));
      return 0;
    }
    await supervise(
      project,
      directory,
      (outputOf, warn) => wireExecutors({ runDirectory: directory.path, outputOf, warn }),
      (end) => {
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, end);
        // a terminal that is closed is nothing to us
        process.on('SIGHUP', () => undefined);
      },
      tellReady,
    );
    return 0;
  } finally {
    await lock?.release();
    await directory.remove();
  }
}

function tellReady(run: string): void {
  writeSync(READY, `${run}\n`);
  closeSync(READY);
}

/** One supervisor for each Transientfile: a lock beside our run directories. */
async function lockProject(runDirectory: string, file: string): Promise<Lock | undefined> {
  const [{ lockFile }, { PROJECT_LOCK }] = await Promise.all([
    import('../host/lock.ts'),
    import('../host/run-directory.ts'),
  ]);
  const sum = createHash('sha256').update(file).digest('hex').slice(0, 16);
  return lockFile(join(dirname(runDirectory), `${PROJECT_LOCK}${sum}`), { wait: false });
}

/** The run directory of the supervisor that was quicker, which may still be about to tell of itself. */
async function runOfOther(file: string): Promise<string> {
  const { findProject } = await import('../host/projects.ts');
  for (;;) {
    const record = await findProject(process.env, file);
    if (record !== undefined) return record.run;
    await delay(LOOK);
  }
}

/** Runs a project here for as long as the user watches it. */
export async function watch(intent: WatchIntent, looks: Looks, signals: RunSignals): Promise<number> {
  const [{ watchProject }, { Supervisor }, { openRunDirectory }, { wireExecutors }, { guestOutputs }] =
    await Promise.all([
      import('../cli/watch.ts'),
      import('../run/supervisor.ts'),
      import('../host/run-directory.ts'),
      import('./wiring.ts'),
      import('../run/guest-output.ts'),
    ]);
  const directory = await openRunDirectory(process.env);
  try {
    const names = (): string[] => [...supervisor.vms.map(({ name }) => name), ''];
    const supervisor = new Supervisor(
      wireExecutors({
        runDirectory: directory.path,
        outputOf: guestOutputs(names, outletOf(process.stdout), outletOf(process.stderr)),
        warn: (problem) => reportWarning(problem, looks),
      }),
      () => undefined,
    );
    for (const signal of [signals.abort, signals.kill])
      signal.addEventListener('abort', () => supervisor.endAll());
    const say = (line: string): void => void process.stderr.write(`${line}\n`);
    const refuse = (problems: readonly Problem[]): void => reportProblems(problems, looks);
    try {
      await watchProject(intent, supervisor, { say, refuse }, signals.abort);
    } finally {
      if (supervisor.isBusy && !signals.abort.aborted) supervisor.endAll();
      await supervisor.over();
    }
    return signals.exitCode() ?? 0;
  } finally {
    await directory.remove();
  }
}
