import { commandOf } from '../plan/new-step.ts';
import type { Plan, Step, StepId } from '../plan/step.ts';
import type { Outcome } from '../run/runner.ts';

/** Whether a VM serves its purpose once the step has begun. */
function isPurpose({ phase, kind }: Step): boolean {
  return phase === 'user' || kind === 'session.end';
}

/** Progress of a plan towards the point where its VMs serve their purpose. */
export class PlanProgress {
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
