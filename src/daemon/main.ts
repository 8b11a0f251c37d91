import type { CreateExecutors } from '../plan/executor.ts';
import { problemOf } from '../problem.ts';
import type { Lock } from '../host/lock.ts';
import { openRunDirectory } from '../host/run-directory.ts';
import { listenForSignals } from '../run/signals.ts';
import { Daemon } from './daemon.ts';
import { lockProject } from './project-lock.ts';
import { endedName } from './registry.ts';
import type { SupervisedProject } from './start.ts';
import { reportStart } from './start.ts';

/** Runs the supervisor of a project until none of its VMs is left; returns the exit code. */
export async function superviseProject(
  project: SupervisedProject,
  createExecutors: CreateExecutors,
): Promise<number> {
  // SIGHUP is ignored: the process does not depend on the terminal
  const signals = listenForSignals({ ignored: ['SIGHUP'] });
  const directory = await openRunDirectory(process.env);
  const { path } = directory;
  let hasNews = false;
  let lock: Lock | undefined;
  try {
    // concurrent commands may each start a supervisor: the second one defers to the first
    const place = await lockProject(path, project.file);
    if ('run' in place) {
      reportStart(place);
      return 0;
    }
    lock = place.lock;
    const daemon = new Daemon(project, path, createExecutors);
    for (const signal of [signals.abort, signals.kill]) signal.addEventListener('abort', () => daemon.end());
    hasNews = await daemon.serve(() => reportStart({ run: path }));
    return 0;
  } catch (error) {
    reportStart({ problem: problemOf(error) });
    throw error;
  } finally {
    await lock?.release();
    if (hasNews && !signals.abort.aborted) await directory.leaveAs(endedName(project.file));
    else await directory.remove();
  }
}
