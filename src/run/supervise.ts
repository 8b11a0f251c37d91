import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { capLog } from '../host/log-cap.ts';
import { placeOf } from '../host/log-place.ts';
import type { AnswerProject, ProjectEvent } from '../host/projects.ts';
import { SUPERVISOR_LOG, publishProject, serveProject } from '../host/projects.ts';
import type { RunDirectory } from '../host/run-directory.ts';
import { patience } from '../host/deadline.ts';
import type { Executors, OutputOf } from '../plan/executor.ts';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';
import { guestOutputs } from './guest-output.ts';
import { problemLines } from './problem-lines.ts';
import type { Request } from './supervisor.ts';
import { Supervisor } from './supervisor.ts';

/** What a supervisor is started for. */
export interface SupervisedProject {
  /** The Transientfile, without links. */
  readonly file: string;
  readonly project: string;
}

function ended(): TransientError {
  const message = 'the project has just ended';
  return new TransientError({ reason: 'conflict', message, hint: 'run the same command again' });
}

/** Wires executors to the outputs of a supervisor. */
export type Wire = (outputOf: OutputOf, warn: (problem: Problem) => void) => Omit<Executors, 'session.end'>;

/**
 * Takes orders for the VMs of a project, and returns when none of them runs any more. All that is said goes to a log, and
 * to whoever asked for it while they wait. `onReady` is called when orders can be given. Returns whether there is
 * something to be heard of: VMs that ended by themselves.
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
  const say = (line: string): void => {
    log.write(`${line}\n`);
    for (const tell of listeners) tell({ line });
  };
  const show = (bytes: Buffer): void => {
    log.write(bytes);
    for (const tell of listeners) tell({ output: bytes.toString('base64') });
  };
  let published = Promise.resolve();
  // the names of a project's VMs stand before their lines, also where there is one
  const names = (): string[] => [...supervisor.vms.map(({ name }) => name), ''];
  const outputOf = guestOutputs(names, { write: show, color: false }, { write: show, color: false });
  const supervisor = new Supervisor(
    wire(outputOf, (problem) => problemLines(problem, 'warning', false).forEach(say)),
    (vms) => {
      published = published
        .then(async () => publishProject(directory.path, { file, project, vms }))
        .catch(() => undefined);
    },
  );
  const over = new AbortController();
  let orders = 0;
  const answer: AnswerProject = async (request, tell, gone) => {
    if (over.signal.aborted) throw ended();
    const order = request as Request;
    listeners.add(tell);
    orders += 1;
    try {
      return await supervisor.perform(order, say, gone);
    } finally {
      listeners.delete(tell);
      orders -= 1;
      void supervisor.over().then(() => orders === 0 && over.abort());
    }
  };
  await publishProject(directory.path, { file, project, vms: [] });
  const server = await serveProject(directory.path, answer);
  onSignal(() => {
    supervisor.endAll();
    if (!supervisor.isBusy) over.abort();
  });
  onReady(directory.path);
  // whoever started us may be gone before it has an order
  setTimeout(() => orders === 0 && !supervisor.isBusy && over.abort(), patience('supervisor-order')).unref();
  await new Promise<void>((resolve) =>
    over.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  await supervisor.over();
  await published;
  server.close();
  await endCap();
  await new Promise<void>((resolve) => log.end(() => resolve()));
  return supervisor.vms.some(({ state }) => state === 'ended');
}
