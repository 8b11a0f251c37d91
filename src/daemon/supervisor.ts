import { linked } from '../host/deadline.ts';
import type { Executor, Executors } from '../plan/executor.ts';
import type { SupervisedVm } from '../plan/project.ts';
import { isUp } from '../plan/project.ts';
import type { Step, StepKind } from '../plan/step.ts';
import { TransientError } from '../problem.ts';
import { listrView } from '../run/listr-view.ts';
import { problemLines } from '../run/problem-lines.ts';
import type { View } from '../run/runner.ts';
import { runPlan } from '../run/runner.ts';
import { PlanProgress } from './plan-progress.ts';
import type { Request, RequestedVm } from './protocol.ts';

/** One VM from the plan that starts it to its end. */
interface Session extends RequestedVm {
  state: SupervisedVm['state'];
  /** Aborted to stop the VM. */
  readonly end: AbortController;
  readonly ended: Promise<void>;
  /** VM of the same name that it replaces. */
  earlier: Session | undefined;
}

/** Runs the VMs of a project, each until it is stopped. */
export class Supervisor {
  readonly #executors: Executors;
  readonly #onChange: () => void;
  readonly #sessions = new Map<string, Session>();
  readonly #runs = new Set<Promise<unknown>>();
  readonly #abort = new AbortController();
  readonly #kill = new AbortController();

  constructor(
    executors: Executors,
    /** Called when a VM has changed its state. */
    onChange: () => void = () => undefined,
  ) {
    this.#onChange = onChange;
    this.#executors = this.#endable({ ...executors, 'session.end': (step) => this.#end(step.vm) });
  }

  /** VMs that are running or have run. */
  get vms(): readonly SupervisedVm[] {
    return [...this.#sessions.values()].map(({ name, instance, digest, dependsOn, state }) => ({
      name,
      instance,
      digest,
      dependsOn,
      state,
    }));
  }

  /** Names for the output of guests, one more than VMs: lines are prefixed with their names even for a single VM. */
  get outputNames(): readonly string[] {
    return [...this.#sessions.keys(), ''];
  }

  /** Whether any VM is running. */
  get isBusy(): boolean {
    return this.#runs.size > 0;
  }

  /**
   * Performs a request. Returns once all of its VMs serve their purpose, with the exit code so far; later events are still
   * written. An abort of `disconnected` before that cancels it.
   */
  async perform(request: Request, write: (line: string) => void, disconnected: AbortSignal): Promise<number> {
    this.#refuseOutdated(request);
    this.#endUnfinished(request);
    const progress = new PlanProgress(request.plan);
    const abort = linked(this.#abort.signal);
    const leave = (): void => abort.abort();
    disconnected.addEventListener('abort', leave, { once: true });
    if (disconnected.aborted) leave();
    const signals = {
      abort: abort.signal,
      kill: this.#kill.signal,
      exitCode: () => undefined,
    };
    this.#register(request, progress, abort.signal);
    const view = tracked(listrView({ live: false, color: false, write }), progress, write);
    const run = runPlan(request.plan, this.#executors, signals, view).finally(() => {
      this.#runs.delete(run);
      abort[Symbol.dispose]();
    });
    this.#runs.add(run);
    await Promise.race([progress.up, run]);
    disconnected.removeEventListener('abort', leave);
    for (const { name } of request.vms) {
      const session = this.#sessions.get(name);
      if (session?.state === 'starting' && progress.isUp(name)) session.state = 'running';
    }
    this.#onChange();
    return progress.exitCode;
  }

  /** Stops all VMs in order; the second call ends them at once. */
  endAll(): void {
    if (this.#abort.signal.aborted) this.#kill.abort();
    this.#abort.abort();
  }

  /** Resolves when nothing runs any more. */
  async finished(): Promise<void> {
    while (this.#runs.size > 0) await Promise.all(this.#runs);
  }

  /** Rejects a plan made before another request changed the VMs, which would run a VM twice. */
  #refuseOutdated({ plan, vms }: Request): void {
    if (this.#abort.signal.aborted) throw outdated('the project is being ended', 'once it has ended, ');
    const ends = new Set(plan.steps.flatMap(({ kind, vm }) => (kind === 'session.end' ? vm : [])));
    const taken = vms.find(({ name }) => this.#running(name) !== undefined && !ends.has(name));
    if (taken) throw outdated(`VM ${taken.name} has been started by another command meanwhile`);
  }

  /** Cancels the start of VMs that are not up yet, whatever they wait for. */
  #endUnfinished({ plan }: Request): void {
    for (const { kind, vm } of plan.steps) {
      const session = kind === 'session.end' ? this.#running(vm) : undefined;
      if (session?.state === 'starting') session.end.abort();
    }
  }

  #register({ vms }: Request, progress: PlanProgress, abort: AbortSignal): void {
    for (const vm of vms) {
      const session: Session = {
        ...vm,
        state: 'starting',
        end: new AbortController(),
        ended: progress.vmEnded(vm.name),
        earlier: this.#running(vm.name),
      };
      this.#sessions.set(vm.name, session);
      void session.ended.then(() => {
        const wasToEnd = session.end.signal.aborted || abort.aborted;
        const otherwise = session.state === 'running' && !wasToEnd ? 'ended' : 'failed';
        session.state = progress.hasDone(vm.name) ? 'done' : otherwise;
        if (this.#sessions.get(vm.name) === session) this.#onChange();
      });
    }
    this.#onChange();
  }

  #running(vm: string): Session | undefined {
    const session = this.#sessions.get(vm);
    return session !== undefined && isUp(session) ? session : undefined;
  }

  /** Stops a VM, or the one that another replaces. */
  async #end(vm: string): Promise<void> {
    const current = this.#sessions.get(vm);
    const session = current?.earlier ?? current;
    session?.end.abort();
    await session?.ended;
    if (current !== session && current !== undefined) current.earlier = undefined;
    if (session !== undefined && session === current) this.#sessions.delete(vm);
    this.#onChange();
  }

  /** Wraps executors so that stopping a VM ends its steps without a failure. */
  #endable(executors: Executors): Executors {
    const kinds = Object.keys(executors) as StepKind[];
    const wrapped = kinds.map((kind) => {
      const execute = executors[kind] as Executor<StepKind>;
      const endable: Executor<StepKind> = async (step, context) => {
        const session = step.vm === undefined ? undefined : this.#sessions.get(step.vm);
        if (session === undefined || kind === 'session.end' || !isEndable(step))
          return execute(step, context);
        const { signal: end } = session.end;
        using either = linked(context.signal, end);
        try {
          return await execute(step, { ...context, signal: either.signal });
        } catch (error) {
          if (end.aborted && !context.signal.aborted) return { ended: true };
          throw error;
        }
      };
      return [kind, endable] as const;
    });
    return Object.fromEntries(wrapped) as unknown as Executors;
  }
}

function outdated(message: string, when = ''): TransientError {
  return new TransientError({ reason: 'conflict', message, hint: `${when}run the same command again` });
}

function isEndable({ undoes, always }: Step): boolean {
  return undoes === undefined && always !== true;
}

/** Wraps a view to report every step that starts and settles; failures are written immediately. */
function tracked(view: View, progress: PlanProgress, write: (line: string) => void): View {
  return (act, perform) =>
    view(act, async (step, listener) => {
      const begun = (): void => {
        listener.begun();
        progress.begun(step);
      };
      const outcome = await perform(step, { ...listener, begun });
      if (outcome.kind === 'failed') problemLines(outcome.problem, 'error', false).forEach(write);
      progress.settled(step, outcome);
      return outcome;
    });
}
