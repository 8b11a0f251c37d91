import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { capLog } from '../host/log-cap.ts';
import { placeOf } from '../host/log-place.ts';
import type { AnswerProject, ProjectEvent } from '../host/project-registry.ts';
import { SUPERVISOR_LOG, publishProject, serveProject } from '../host/project-registry.ts';
import type { RunDirectory } from '../host/run-directory.ts';
import { patience } from '../host/deadline.ts';
import type { Executors, OutputOf } from '../plan/executor.ts';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';
import { guestOutputs } from '../run/guest-output.ts';
import { problemLines } from '../run/problem-lines.ts';
import type { Request } from './supervisor.ts';
import { Supervisor } from './supervisor.ts';

/** Project that a supervisor is started for. */
export interface SupervisedProject {
  /** Real path of the Transientfile. */
  readonly file: string;
  readonly project: string;
}

function ended(): TransientError {
  const message = 'the project has just ended';
  return new TransientError({ reason: 'conflict', message, hint: 'run the same command again' });
}

/** Creates executors connected to the outputs of a supervisor. */
export type Wire = (outputOf: OutputOf, warn: (problem: Problem) => void) => Omit<Executors, 'session.end'>;

/**
 * Serves requests for the VMs of a project until none of them runs any more. Output goes to a log, and to clients while
 * they wait. `onReady` is called when requests are accepted. Returns whether there is something to report: VMs that ended
 * by themselves.
 */
export async function supervise(
  { file, project }: SupervisedProject,
  directory: RunDirectory,
  wire: Wire,
  onSignal: (end: () => void) => void,
  onReady: (run: string) => void,
): Promise<boolean> {
  const logPath = join(directory.path, SUPERVISOR_LOG);
  const log = createWriteStream(logPath, { flags: 'a', mode: 0o600 });
  const endCap = capLog(placeOf(logPath));
  log.on('error', () => undefined);
  const listeners = new Set<(event: ProjectEvent) => void>();
  const print = (line: string): void => {
    log.write(`${line}\n`);
    for (const listener of listeners) listener({ line });
  };
  const show = (bytes: Buffer): void => {
    log.write(bytes);
    for (const listener of listeners) listener({ output: bytes.toString('base64') });
  };
  let published = Promise.resolve();
  // lines are prefixed with VM names even for a single VM
  const names = (): string[] => [...supervisor.vms.map(({ name }) => name), ''];
  const outputOf = guestOutputs(names, { write: show, color: false }, { write: show, color: false });
  const supervisor = new Supervisor(
    wire(outputOf, (problem) => problemLines(problem, 'warning', false).forEach(print)),
    (vms) => {
      published = published
        .then(async () => publishProject(directory.path, { file, project, vms }))
        .catch(() => undefined);
    },
  );
  const finished = new AbortController();
  let orders = 0;
  const answer: AnswerProject = async (request, send, disconnected) => {
    if (finished.signal.aborted) throw ended();
    const order = request as Request;
    listeners.add(send);
    orders += 1;
    try {
      return await supervisor.perform(order, print, disconnected);
    } finally {
      listeners.delete(send);
      orders -= 1;
      void supervisor.finished().then(() => orders === 0 && finished.abort());
    }
  };
  await publishProject(directory.path, { file, project, vms: [] });
  const server = await serveProject(directory.path, answer);
  onSignal(() => {
    supervisor.endAll();
    if (!supervisor.isBusy) finished.abort();
  });
  onReady(directory.path);
  // the parent may exit before it sends a request
  setTimeout(
    () => orders === 0 && !supervisor.isBusy && finished.abort(),
    patience('supervisor-order'),
  ).unref();
  await new Promise<void>((resolve) =>
    finished.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  await supervisor.finished();
  await published;
  server.close();
  await endCap();
  await new Promise<void>((resolve) => log.end(() => resolve()));
  return supervisor.vms.some(({ state }) => state === 'ended');
}
