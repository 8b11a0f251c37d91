import type { VmSpec } from '../config/vm-spec.ts';
import type { HostKey, HostUse } from './host-use.ts';
import { commonUse, hostUse, newUses } from './host-use.ts';
import type { SupervisedVm, Wanted } from './project.ts';
import { wantedOf } from './project.ts';

/** A VM whose changes are held back, and the keys concerned. */
export interface Held {
  readonly vm: string;
  readonly keys: readonly (HostKey | 'depends-on')[];
}

/** Wanted VMs of a changed file, without changes that need confirmation by the user. */
export interface Settled {
  readonly wanted: readonly Wanted[];
  readonly held: readonly Held[];
}

/**
 * Holds back changes that would use more of the host than the original file: a guest may have made them. An existing VM
 * (`taken`) stays as it is, and a new one is not started.
 */
export function holdBack(
  wanted: readonly Wanted[],
  begun: readonly Wanted[],
  taken: ReadonlyMap<string, Wanted>,
): Settled {
  const uses = new Map(begun.map(({ spec }) => [spec.name, hostUse(spec)]));
  const others = commonUse([...uses.values()]);
  const held = new Map(wanted.flatMap(({ spec }) => heldIn(spec, uses.get(spec.name) ?? others)));
  const isAvailable = (vm: string): boolean => taken.has(vm) || !held.has(vm);
  // dependents of a VM that is not started are not started either
  for (let before = -1; before !== held.size;) {
    before = held.size;
    for (const { spec } of wanted)
      if (!held.has(spec.name) && !spec.dependsOn.every(({ vm }) => isAvailable(vm)))
        held.set(spec.name, ['depends-on']);
  }
  return {
    wanted: wanted.flatMap((one) => {
      const { name } = one.spec;
      const previous = taken.get(name);
      if (held.has(name)) return previous ? [previous] : [];
      return [previous !== undefined && differInFilesAlone(previous, one) ? previous : one];
    }),
    held: [...held].map(([vm, keys]) => ({ vm, keys })),
  };
}

function heldIn(spec: VmSpec, before: HostUse): [string, readonly (HostKey | 'depends-on')[]][] {
  const keys = newUses(before, hostUse(spec));
  return keys.length === 0 ? [] : [[spec.name, keys]];
}

/** Whether only the protected files differ, which may be due to another VM and needs no restart. */
function differInFilesAlone(previous: Wanted, { spec }: Wanted): boolean {
  const { unchanged } = previous.spec.shares;
  return wantedOf({ ...spec, shares: { ...spec.shares, unchanged } }).digest === previous.digest;
}

/** Holds back changes while a project is watched, reporting each once. */
export class HoldingBack {
  readonly #begun: readonly Wanted[];
  readonly #wanted = new Map<string, Wanted>();
  #reported: ReadonlySet<string> = new Set();

  constructor(begun: readonly Wanted[]) {
    this.#begun = begun;
    this.#remember(begun);
  }

  /** The wanted VMs of the current file, and messages about changes that are held back. */
  settle(
    wanted: readonly Wanted[],
    existing: readonly SupervisedVm[],
  ): { readonly wanted: readonly Wanted[]; readonly news: readonly string[] } {
    this.#remember(wanted);
    const settled = holdBack(wanted, this.#begun, this.#takenOf(existing));
    const lines = settled.held.map(({ vm, keys }) => `${vm}: restart up to use the new ${keys.join(', ')}`);
    const news = lines.filter((line) => !this.#reported.has(line));
    this.#reported = new Set(lines);
    return { wanted: settled.wanted, news };
  }

  #remember(wanted: readonly Wanted[]): void {
    for (const one of wanted) this.#wanted.set(keyOf(one.spec.name, one.digest), one);
  }

  /** Existing VMs as they were last started, or as they were at the beginning. */
  #takenOf(existing: readonly SupervisedVm[]): Map<string, Wanted> {
    const started = existing.flatMap(({ name, digest }) => this.#wanted.get(keyOf(name, digest)) ?? []);
    return new Map([...this.#begun, ...started].map((one) => [one.spec.name, one]));
  }
}

function keyOf(name: string, digest: string): string {
  return `${name} ${digest}`;
}
