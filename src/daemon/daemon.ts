import { join } from 'node:path';
import { patience } from '../host/deadline.ts';
import type { CreateExecutors } from '../plan/executor.ts';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';
import { guestOutputs } from '../run/guest-output.ts';
import { problemLines } from '../run/problem-lines.ts';
import { SupervisorOutput } from './output.ts';
import type { Request } from './protocol.ts';
import { SUPERVISOR_LOG, publishProject } from './registry.ts';
import type { SendEvent } from './server.ts';
import { serveRequests } from './server.ts';
import type { SupervisedProject } from './start.ts';
import { Supervisor } from './supervisor.ts';

/** Process that runs the VMs of a detached project: serves requests until none of them runs any more. */
export class Daemon {
  readonly #project: SupervisedProject;
  readonly #run: string;
  readonly #output: SupervisorOutput;
  readonly #supervisor: Supervisor;
  readonly #finished = new AbortController();
  #requests = 0;
  #published = Promise.resolve();

  /** `run` is the run directory of this process. */
  constructor(project: SupervisedProject, run: string, createExecutors: CreateExecutors) {
    this.#project = project;
    this.#run = run;
    this.#output = new SupervisorOutput(join(run, SUPERVISOR_LOG));
    const outlet = { write: (bytes: Buffer) => this.#output.write(bytes), color: false };
    const warn = (problem: Problem): void =>
      problemLines(problem, 'warning', false).forEach((line) => this.#output.print(line));
    const executors = createExecutors({
      runDirectory: run,
      outputOf: guestOutputs(() => this.#supervisor.outputNames, outlet, outlet),
      warn,
    });
    this.#supervisor = new Supervisor(executors, () => this.#publish());
  }

  /**
   * Serves requests; `onReady` is called when they are accepted. Returns whether there is something to report: VMs that
   * ended by themselves.
   */
  async serve(onReady: () => void): Promise<boolean> {
    await publishProject(this.#run, { ...this.#project, vms: [] });
    const server = await serveRequests(this.#run, async (...request) => this.#handle(...request));
    onReady();
    // the parent may exit before it sends a request
    setTimeout(() => this.#finishIfIdle(), patience('supervisor-order')).unref();
    await new Promise<void>((resolve) =>
      this.#finished.signal.addEventListener('abort', () => resolve(), { once: true }),
    );
    await this.#supervisor.finished();
    await this.#published;
    server.close();
    await this.#output.close();
    return this.#supervisor.vms.some(({ state }) => state === 'ended');
  }

  /** Stops all VMs in order; the second call ends them at once. */
  end(): void {
    this.#supervisor.endAll();
    if (!this.#supervisor.isBusy) this.#finished.abort();
  }

  async #handle(request: Request, send: SendEvent, disconnected: AbortSignal): Promise<number> {
    if (this.#finished.signal.aborted) throw new TransientError(JUST_ENDED);
    this.#requests += 1;
    try {
      const print = (line: string): void => this.#output.print(line);
      return await this.#output.to(send, async () => this.#supervisor.perform(request, print, disconnected));
    } finally {
      this.#requests -= 1;
      void this.#supervisor.finished().then(() => this.#finishIfIdle());
    }
  }

  #finishIfIdle(): void {
    if (this.#requests === 0 && !this.#supervisor.isBusy) this.#finished.abort();
  }

  #publish(): void {
    const { vms } = this.#supervisor;
    this.#published = this.#published
      .then(async () => publishProject(this.#run, { ...this.#project, vms }))
      .catch(() => undefined);
  }
}

const JUST_ENDED: Problem = {
  reason: 'conflict',
  message: 'the project has just ended',
  hint: 'run the same command again',
};
