import { linked } from '../host/deadline.ts';
import type { Executor, Executors } from '../plan/executor.ts';
import type { Supervised } from '../plan/project.ts';
import { isUp } from '../plan/project.ts';
import type { Plan, Step, StepId, StepKind } from '../plan/step.ts';
import { TransientError } from '../problem.ts';
import { listrView } from './listr-view.ts';
import { problemLines } from './problem-lines.ts';
import type { Outcome, View } from './runner.ts';
import { runPlan } from './runner.ts';

/** A VM that a request is about: what a file says of it, in short. */
export type RequestedVm = Omit<Supervised, 'state'> & { readonly instance: string };

/** What a supervisor is asked to do: a plan, and the VMs that come with it. */
export interface Request {
  readonly plan: Plan;
  readonly vms: readonly RequestedVm[];
}

/** One VM from the plan that starts it to its end. */
interface Session extends RequestedVm {
  state: Supervised['state'];
  /** Aborted when it is to come to its end. */
  readonly end: AbortController;
  readonly over: Promise<void>;
  /** One of the same name that it takes the place of. */
  earlier: Session | undefined;
}

/** Steps by which a VM has come to what it is for. */
const UP: readonly StepKind[] = ['machine.hold', 'guest.run', 'session.end'];

/** Runs VMs of a project for as long as they are wanted, each of them until it is told to end. */
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

  /** The VMs that it runs or has run. */
  get vms(): readonly (RequestedVm & Pick<Supervised, 'state'>)[] {
    return [...this.#sessions.values()].map(({ name, instance, digest, dependsOn, state }) => ({
      name,
      instance,
      digest,
      dependsOn,
      state,
    }));
  }

  /** Whether anything runs. */
  get isBusy(): boolean {
    return this.#runs.size > 0;
  }

  /**
   * Performs an order. Returns once all of its VMs have come to what they are for, with the exit code up to then; what
   * happens afterwards is written all the same. `gone` breaks it off until then.
   */
  async perform(order: Request, write: (line: string) => void, gone: AbortSignal): Promise<number> {
    this.#refuseOutdated(order);
    this.#endUnfinished(order);
    const progress = new Progress(order.plan);
    const abort = linked(this.#abort.signal);
    const leave = (): void => abort.abort();
    gone.addEventListener('abort', leave, { once: true });
    if (gone.aborted) leave();
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
    gone.removeEventListener('abort', leave);
    for (const { name } of order.vms) {
      const session = this.#sessions.get(name);
      if (session?.state === 'starting' && progress.isUp(name)) session.state = 'running';
    }
    this.#onChange(this.vms);
    return progress.exitCode;
  }

  /** Ends all VMs in order; the second time at once. */
  endAll(): void {
    if (this.#abort.signal.aborted) this.#kill.abort();
    this.#abort.abort();
  }

  /** Returns when nothing runs any more. */
  async over(): Promise<void> {
    while (this.#runs.size > 0) await Promise.all(this.#runs);
  }

  /** A plan that was made before somebody else's was taken would run a VM twice. */
  #refuseOutdated({ plan, vms }: Request): void {
    if (this.#abort.signal.aborted) throw outdated('the project is being ended', 'once it has ended, ');
    const ends = new Set(plan.steps.flatMap(({ kind, vm }) => (kind === 'session.end' ? vm : [])));
    const taken = vms.find(({ name }) => this.#running(name) !== undefined && !ends.has(name));
    if (taken) throw outdated(`VM ${taken.name} has been started by another command meanwhile`);
  }

  /** What is still on its way serves nobody: it ends at once, whatever it waits for. */
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
        over: progress.over(vm.name),
        earlier: this.#running(vm.name),
      };
      this.#sessions.set(vm.name, session);
      void session.over.then(() => {
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

  /** Ends a VM, or the one that another takes the place of. */
  async #end(vm: string): Promise<undefined> {
    const current = this.#sessions.get(vm);
    const session = current?.earlier ?? current;
    session?.end.abort();
    await session?.over;
    if (current !== session && current !== undefined) current.earlier = undefined;
    if (session !== undefined && session === current) this.#sessions.delete(vm);
    this.#onChange(this.vms);
    return undefined;
  }

  /** What a VM does comes to its end without a failure when the VM is to end. */
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

/** How far a plan has come. */
class Progress {
  readonly #waited: Set<StepId>;
  readonly #left = new Map<string, Set<StepId>>();
  readonly #whenOver = new Map<string, () => void>();
  readonly #failed = new Set<string>();
  readonly #done = new Set<string>();
  readonly #up = new Set<string>();
  #whenUp: () => void = () => undefined;
  exitCode = 0;
  /** Comes when each VM of the plan does what it is for, or never will. */
  readonly up = new Promise<void>((resolve) => (this.#whenUp = resolve));

  constructor({ steps }: Plan) {
    this.#waited = new Set(steps.filter(({ kind }) => UP.includes(kind)).map(({ id }) => id));
    for (const { id, vm, kind } of steps) {
      if (vm === undefined || kind === 'session.end') continue;
      this.#left.set(vm, (this.#left.get(vm) ?? new Set<StepId>()).add(id));
    }
  }

  /** Comes when nothing of a VM is left to do. */
  async over(vm: string): Promise<void> {
    return new Promise((resolve) => this.#whenOver.set(vm, resolve));
  }

  /** Whether its command ended with 0; a VM that has none is never done. */
  hasDone(vm: string): boolean {
    return this.#done.has(vm) && !this.#failed.has(vm);
  }

  /** Whether it has come to what it is for. */
  isUp(vm: string): boolean {
    return this.#up.has(vm);
  }

  begun({ id, vm, kind }: Step): void {
    if (vm !== undefined && UP.includes(kind)) this.#up.add(vm);
    // one that ends another has come to what it is for when it is done
    if (kind !== 'session.end') this.#reach(id);
  }

  settled({ id, vm, kind }: Step, outcome: Outcome): void {
    const hasFaltered = outcome.kind !== 'done' && outcome.kind !== 'failed';
    // who waits for it to come up must hear that it will not
    if (hasFaltered && this.#waited.has(id) && kind !== 'session.end') this.exitCode ||= 1;
    if (kind === 'guest.run' && outcome.kind === 'done') this.#done.add(vm);
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

/** The same view, which tells of every step that begins and settles; failures are written as they come. */
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
