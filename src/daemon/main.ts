import { closeSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { OrderIntent, WatchIntent } from '../cli/command.ts';
import { reportProblems, reportWarning, type Looks } from '../cli/report.ts';
import { beforeLate, patience, within } from '../host/deadline.ts';
import type { Lock } from '../host/lock.ts';
import type { ProjectEvent, ProjectRecord } from '../host/project-registry.ts';
import type { Plan } from '../plan/step.ts';
import type { Problem } from '../problem.ts';
import { TransientError, failed, problemOf } from '../problem.ts';
import { prepareLogDirectory } from '../cli/log-directory.ts';
import { outletOf } from '../cli/outlets.ts';
import { SUPERVISE } from './argument.ts';
import { listenForSignals } from '../run/signals.ts';
import type { RunSignals } from '../run/runner.ts';
import type { SupervisedProject } from './server.ts';

/** Descriptor on which a supervisor reports that it accepts requests. */
const READY = 3;

/** Poll interval for the exit of a process, in milliseconds. */
const LOOK = 20;

/** Sends a request to the supervisor of a project, starting it if necessary. */
export async function order(
  { order: what, record, file, project, isLast, keeping, kill, notes = [] }: OrderIntent,
  signals: RunSignals,
): Promise<number> {
  const { askProject, forgetEnded } = await import('../host/project-registry.ts');
  if (keeping?.logDirectory !== undefined) await prepareLogDirectory(keeping.logDirectory, what.plan);
  for (const note of notes) process.stderr.write(`${note}\n`);
  const supervisor = record ?? { run: await startSupervisor({ file, project }) };
  const hear = (event: ProjectEvent): void => {
    if ('line' in event) process.stderr.write(`${event.line}\n`);
    if ('output' in event) process.stdout.write(Buffer.from(event.output, 'base64'));
  };
  try {
    if (kill === true && record !== undefined) await killVms(record, what.plan);
    const exit = await askProject(supervisor, what, hear, signals.abort);
    if (isLast && record !== undefined) {
      await endOfSupervisor(record.owner, signals.abort);
      // VMs that ended by themselves have been reported
      await forgetEnded(process.env, file);
    }
    return exit;
  } catch (error) {
    const exit = signals.exitCode();
    if (exit !== undefined) return exit;
    if (kill !== true || record === undefined) throw error;
    return killSupervisor(record, error);
  }
}

/** Starts a supervisor and returns its run directory, or that of one started concurrently. */
async function startSupervisor(project: SupervisedProject): Promise<string> {
  const [{ startDetached }, { forgetEnded }] = await Promise.all([
    import('../host/child.ts'),
    import('../host/project-registry.ts'),
  ]);
  await forgetEnded(process.env, project.file);
  const script = process.argv[1] ?? '';
  const started = startDetached(process.execPath, [script, SUPERVISE, JSON.stringify(project)]);
  // the supervisor itself gives up before that
  const line = await beforeLate(started, patience('supervisor-begin'), () => new TransientError(NOT_STARTED));
  const answer = line === undefined ? { problem: NOT_STARTED } : (JSON.parse(line) as SupervisorStart);
  if ('run' in answer) return answer.run;
  throw new TransientError(answer.problem);
}

/** Startup message of a supervisor: its run directory, or why it failed. */
type SupervisorStart = { readonly run: string } | { readonly problem: Problem };

const NOT_STARTED: Problem = {
  reason: 'host',
  message: 'the process that runs the project did not start',
  hint: 'try again; without --detach the command shows the cause',
};

/** Kills the QEMUs of VMs that a plan stops, so that it does not wait for guests. */
async function killVms({ owner, vms }: ProjectRecord, { steps }: Plan): Promise<void> {
  const { allRunningVms } = await import('../host/vm-registry.ts');
  const ending = vms
    .filter(({ name }) => steps.some(({ vm }) => vm === name))
    .map(({ instance }) => instance);
  for (const { name, owner: other, qemu } of allRunningVms(process.env))
    if (other.pid === owner.pid && ending.includes(name)) process.kill(qemu.pid, 'SIGKILL');
}

/** Kills a supervisor that does not answer; its VMs end with it. */
async function killSupervisor({ owner }: ProjectRecord, error: unknown): Promise<number> {
  const [{ SupervisorDeaf }, { sweepRunDirectories }] = await Promise.all([
    import('../host/project-registry.ts'),
    import('../host/run-directory.ts'),
  ]);
  if (!(error instanceof SupervisorDeaf)) throw error;
  process.stderr.write(`Killing process ${owner.pid}, which runs the project and does not answer\n`);
  process.kill(owner.pid, 'SIGKILL');
  await endOfSupervisor(owner);
  await sweepRunDirectories(process.env);
  return 0;
}

async function endOfSupervisor(owner: ProjectRecord['owner'], signal?: AbortSignal): Promise<void> {
  const { isAlive } = await import('../host/process-identity.ts');
  using late = within(signal, patience('supervisor-end'));
  while (isAlive(owner) && !late.signal.aborted) await delay(LOOK);
  if (!late.expired) return;
  throw new TransientError({
    reason: 'host',
    message: `process ${owner.pid}, which ran the project, did not exit within ${patience('supervisor-end') / 1000} s`,
    hint: 'kill it: transient down --kill',
  });
}

/** Runs the supervisor of a project until none of its VMs is left. */
export async function beSupervisor(project: SupervisedProject): Promise<number> {
  const [{ supervise }, { openRunDirectory }, { wireExecutors }, { endedName }] = await Promise.all([
    import('./server.ts'),
    import('../host/run-directory.ts'),
    import('../executors.ts'),
    import('../host/project-registry.ts'),
  ]);
  // SIGHUP is ignored: the process does not depend on the terminal
  const signals = listenForSignals({ ignored: ['SIGHUP'] });
  const directory = await openRunDirectory(process.env);
  let hasNews = false;
  let lock: Lock | undefined;
  try {
    // concurrent commands may each start a supervisor: the second one defers to the first
    const place = await lockProject(directory.path, project.file);
    if ('run' in place) {
      tellStart(place);
      return 0;
    }
    lock = place.lock;
    hasNews = await supervise(
      project,
      directory,
      (outputOf, warn) => wireExecutors({ runDirectory: directory.path, outputOf, warn }),
      (end) => [signals.abort, signals.kill].forEach((signal) => signal.addEventListener('abort', end)),
      (run) => tellStart({ run }),
    );
    return 0;
  } catch (error) {
    tellStart({ problem: problemOf(error) });
    throw error;
  } finally {
    await lock?.release();
    if (hasNews && !signals.abort.aborted) await directory.leaveAs(endedName(project.file));
    else await directory.remove();
  }
}

/** Sends the startup message to the parent process, once. */
function tellStart(start: SupervisorStart): void {
  try {
    writeSync(READY, `${JSON.stringify(start)}\n`);
    closeSync(READY);
  } catch {
    // already sent, or the parent has gone
  }
}

/** Takes the lock of a Transientfile, which has one supervisor, or finds the supervisor that holds it. */
async function lockProject(
  runDirectory: string,
  file: string,
): Promise<{ readonly lock: Lock } | { readonly run: string }> {
  const [{ lockFile }, { readHolder }, { findProject, projectLockName }] = await Promise.all([
    import('../host/lock.ts'),
    import('../host/lock-holder.ts'),
    import('../host/project-registry.ts'),
  ]);
  const path = join(dirname(runDirectory), projectLockName(file));
  using late = within(undefined, patience('supervisor-start'));
  for (;;) {
    const lock = await lockFile(path, { wait: false, task: `running ${file}` });
    if (lock !== undefined) return { lock };
    // its record may not be written yet
    const record = findProject(process.env, file);
    if (record !== undefined) return { run: record.run };
    if (late.signal.aborted)
      throw new TransientError(lockedByOther(path, file, (await readHolder(path))?.owner.pid));
    await delay(LOOK);
  }
}

function lockedByOther(path: string, file: string, pid: number | undefined): Problem {
  const holder = pid === undefined ? 'another process' : `process ${pid}`;
  return {
    reason: 'conflict',
    message: `${holder} has held the lock of ${file} for ${patience('supervisor-start') / 1000} s without running it`,
    hint: pid === undefined ? `"fuser ${path}" may show which one` : `stop it and try again: kill ${pid}`,
  };
}

/** Runs a project in the foreground while watching its files. */
export async function watch({ replan }: WatchIntent, looks: Looks, signals: RunSignals): Promise<number> {
  const [
    { watchProject },
    { Supervisor },
    { openRunDirectory },
    { wireExecutors },
    { guestOutputs },
    { obstaclesTo },
  ] = await Promise.all([
    import('./watch.ts'),
    import('./supervisor.ts'),
    import('../host/run-directory.ts'),
    import('../executors.ts'),
    import('../run/guest-output.ts'),
    import('../cli/preflight.ts'),
  ]);
  const intent: WatchIntent = {
    kind: 'watch',
    replan: async (...news) => {
      const planned = await replan(...news);
      const obstacles = planned.ok ? await obstaclesTo(planned.value.order.plan) : [];
      return obstacles.length > 0 ? failed(...obstacles.map(({ problem }) => problem)) : planned;
    },
  };
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
    const print = (line: string): void => void process.stderr.write(`${line}\n`);
    const report = (problems: readonly Problem[]): void => reportProblems(problems, looks);
    try {
      await watchProject(intent, supervisor, { print, report }, signals.abort);
    } finally {
      if (supervisor.isBusy && !signals.abort.aborted) supervisor.endAll();
      await supervisor.finished();
    }
    return signals.exitCode() ?? 0;
  } finally {
    await directory.remove();
  }
}
