import { vmsOf } from '../plan/graph.ts';
import type { Plan, StepId } from '../plan/step.ts';
import type { View } from './runner.ts';

/**
 * Puts output before the first and after the last command of a plan into log groups of GitHub Actions (`::group::`,
 * `::endgroup::`), so that the commands stay visible.
 */
export class GithubGroups {
  readonly #write: (line: string) => void;
  readonly #left: Set<StepId>;
  readonly #vms: string;
  #open = false;
  #begun = false;

  constructor({ steps, exitFrom }: Plan, write: (line: string) => void) {
    this.#write = write;
    this.#left = new Set(exitFrom);
    const vms = vmsOf(steps);
    this.#vms = vms.length === 1 ? `VM ${vms.join()}` : `${vms.length} VMs`;
  }

  /** Wraps a view with group markers; a plan without commands gets none. */
  wrap(view: View): View {
    if (this.#left.size === 0) return view;
    return async (act, perform) => {
      if (!this.#begun) this.#enter('Start');
      await view(act, async (step, listener) => {
        const outcome = await perform(step, {
          ...listener,
          begun: () => {
            if (this.#left.has(step.id)) this.end();
            listener.begun();
          },
        });
        if (this.#left.delete(step.id) && this.#left.size === 0 && !this.#open) this.#enter('Stop');
        return outcome;
      });
    };
  }

  /** Closes the open group. */
  end(): void {
    if (this.#open) this.#write('::endgroup::');
    this.#open = false;
  }

  #enter(what: string): void {
    this.#begun = true;
    this.#open = true;
    this.#write(`::group::${what} ${this.#vms}`);
  }
}
