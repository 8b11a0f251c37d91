import { linked } from '../host/deadline.ts';
import type { Executor, Executors } from '../plan/executor.ts';
import type { Supervised } from '../plan/project.ts';
import { isUp } from '../plan/project.ts';
import type { Plan, Step, StepId, StepKind } from '../plan/step.ts';
import { commandOf } from '../plan/new-step.ts';
import { TransientError } from '../problem.ts';
import { listrView } from './listr-view.ts';
import { problemLines } from './problem-lines.ts';
import type { Outcome, View } from './runner.ts';
import { runPlan } from './runner.ts';

/** A VM of a request, with a digest of its configuration. */
export type RequestedVm = Omit<Supervised, 'state'> & { readonly instance: string };

/** Request to a supervisor: a plan, and the VMs it starts. */
export interface Request {
  readonly plan: Plan;
  readonly vms: readonly RequestedVm[];
}

/** One VM from the plan that starts it to its end. */
interface Session extends RequestedVm {
  state: Supervised['state'];
  /** Aborted to stop the VM. */
  readonly end: AbortController;
  readonly ended: Promise<void>;
  /** VM of the same name that it replaces. */
  earlier: Session | undefined;
}

/** Whether a VM serves its purpose once the step has begun. */
function isPurpose({ phase, kind }: Step): boolean {
  return phase === 'user' || kind === 'session.end';
}

/** Runs the VMs of a project, each until it is stopped. */
export class Supervisor {
  readonly #executors: Executors;
  readonly #onChange: (vms: readonly (RequestedVm & Pick<Supervised, 'state'>)[]) => void;
  readonly #sessions = new Map<string, Session>();
  readonly #runs = new Set<Promise<unknown>>();
  readonly #abort = new AbortController();
  readonly #kill = new AbortController();

  constructor(
    executors: Omit<Executors, 'session.end'>,
    onChange: (vms: readonly (RequestedVm & Pick<Supervised, 'state'>)[]) => void,
  ) {
    this.#onChange = onChange;
    this.#executors = this.#endable({ ...executors, 'session.end': (step) => this.#end(step.vm) });
  }

  /** VMs that are running or have run. */
  get vms(): readonly (RequestedVm & Pick<Supervised, 'state'>)[] {
    return [...this.#sessions.values()].map(({ name, instance, digest, dependsOn, state }) => ({
      name,
      instance,
      digest,
      dependsOn,
      state,
    }));
  }

  /** Whether any VM is running. */
  get isBusy(): boolean {
    return this.#runs.size > 0;
  }

  /**
   * Performs a request. Returns once all of its VMs serve their purpose, with the exit code so far; later events are still
   * written. An abort of `disconnected` before that cancels it.
   */
  async perform(order: Request, write: (line: string) => void, disconnected: AbortSignal): Promise<number> {
    this.#refuseOutdated(order);
    this.#endUnfinished(order);
    const progress = new Progress(order.plan);
    const abort = linked(this.#abort.signal);
    const leave = (): void => abort.abort();
    disconnected.addEventListener('abort', leave, { once: true });
    if (disconnected.aborted) leave();
    const signals = {
      abort: abort.signal,
      kill: this.#kill.signal,
      exitCode: () => undefined,
    };
    this.#register(order, progress, abort.signal);
    const view = tracked(listrView({ live: false, color: false, write }), progress, write);
    const run = runPlan(order.plan, this.#executors, signals, view).finally(() => {
      this.#runs.delete(run);
      abort[Symbol.dispose]();
    });
    this.#runs.add(run);
    await Promise.race([progress.up, run]);
    disconnected.removeEventListener('abort', leave);
    for (const { name } of order.vms) {
      const session = this.#sessions.get(name);
      if (session?.state === 'starting' && progress.isUp(name)) session.state = 'running';
    }
    this.#onChange(this.vms);
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

  #register({ vms }: Request, progress: Progress, abort: AbortSignal): void {
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
        if (this.#sessions.get(vm.name) === session) this.#onChange(this.vms);
      });
    }
    this.#onChange(this.vms);
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
    this.#onChange(this.vms);
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

/** Progress of a plan. */
class Progress {
  readonly #waited: Set<StepId>;
  readonly #left = new Map<string, Set<StepId>>();
  readonly #whenOver = new Map<string, () => void>();
  readonly #failed = new Set<string>();
  readonly #done = new Set<string>();
  readonly #up = new Set<string>();
  #whenUp: () => void = () => undefined;
  exitCode = 0;
  /** Resolves when each VM of the plan serves its purpose or has failed. */
  readonly up = new Promise<void>((resolve) => (this.#whenUp = resolve));

  constructor({ steps }: Plan) {
    this.#waited = new Set(steps.filter(isPurpose).map(({ id }) => id));
    for (const { id, vm, kind } of steps) {
      if (vm === undefined || kind === 'session.end') continue;
      this.#left.set(vm, (this.#left.get(vm) ?? new Set<StepId>()).add(id));
    }
  }

  /** Resolves when all steps of a VM have settled. */
  async vmEnded(vm: string): Promise<void> {
    return new Promise((resolve) => this.#whenOver.set(vm, resolve));
  }

  /** Whether its command exited with 0; a VM without one is never done. */
  hasDone(vm: string): boolean {
    return this.#done.has(vm) && !this.#failed.has(vm);
  }

  /** Whether a VM serves its purpose. */
  isUp(vm: string): boolean {
    return this.#up.has(vm);
  }

  begun(step: Step): void {
    const { id, vm, kind } = step;
    if (vm !== undefined && isPurpose(step)) this.#up.add(vm);
    // a step that stops a VM has served its purpose when it is done
    if (kind !== 'session.end') this.#reach(id);
  }

  settled(step: Step, outcome: Outcome): void {
    const { id, vm, kind } = step;
    const hasFaltered = outcome.kind !== 'done' && outcome.kind !== 'failed';
    // notifies clients that the VM will not come up
    if (hasFaltered && this.#waited.has(id) && kind !== 'session.end') this.exitCode ||= 1;
    if (vm !== undefined && commandOf(step) !== undefined && outcome.kind === 'done') this.#done.add(vm);
    const isBad = outcome.kind === 'failed' || (outcome.kind === 'done' && (outcome.exitCode ?? 0) !== 0);
    if (isBad && vm !== undefined) this.#failed.add(vm);
    if (outcome.kind === 'failed') this.exitCode ||= 1;
    if (outcome.kind === 'done') this.exitCode ||= outcome.exitCode ?? 0;
    this.#reach(id);
    const left = vm === undefined ? undefined : this.#left.get(vm);
    left?.delete(id);
    if (vm !== undefined && left?.size === 0) this.#whenOver.get(vm)?.();
  }

  #reach(id: StepId): void {
    this.#waited.delete(id);
    if (this.#waited.size === 0) this.#whenUp();
  }
}

/** Wraps a view to report every step that starts and settles; failures are written immediately. */
function tracked(view: View, progress: Progress, write: (line: string) => void): View {
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
