import type { VmSpec } from '../config/vm-spec.ts';
import type { HostKey, HostUse } from './host-use.ts';
import { commonUse, hostUse, newUses } from './host-use.ts';
import type { Supervised, Wanted } from './project.ts';
import { wantedOf } from './project.ts';

/** A VM that a change is kept from, and the keys that are not taken up. */
export interface Held {
  readonly vm: string;
  readonly keys: readonly (HostKey | 'depends-on')[];
}

/** What is wanted of a file that has changed, without what only a person may have wanted. */
export interface Settled {
  readonly wanted: readonly Wanted[];
  readonly held: readonly Held[];
}

/**
 * Holds changes back by which more of the host would be used than by the file with which all began: who changed it may be a
 * guest. A VM stays as it is where there is one (`taken`), and does not come where there is none.
 */
export function holdBack(
  wanted: readonly Wanted[],
  begun: readonly Wanted[],
  taken: ReadonlyMap<string, Wanted>,
): Settled {
  const uses = new Map(begun.map(({ spec }) => [spec.name, hostUse(spec)]));
  const others = commonUse([...uses.values()]);
  const held = new Map(wanted.flatMap(({ spec }) => heldIn(spec, uses.get(spec.name) ?? others)));
  const isThere = (vm: string): boolean => taken.has(vm) || !held.has(vm);
  // what waits for a VM that does not come does not come either
  for (let before = -1; before !== held.size;) {
    before = held.size;
    for (const { spec } of wanted)
      if (!held.has(spec.name) && !spec.dependsOn.every(({ vm }) => isThere(vm)))
        held.set(spec.name, ['depends-on']);
  }
  return {
    wanted: wanted.flatMap((one) => {
      const { name } = one.spec;
      const known = taken.get(name);
      if (held.has(name)) return known ? [known] : [];
      return [known !== undefined && differInFilesAlone(known, one) ? known : one];
    }),
    held: [...held].map(([vm, keys]) => ({ vm, keys })),
  };
}

function heldIn(spec: VmSpec, before: HostUse): [string, readonly (HostKey | 'depends-on')[]][] {
  const keys = newUses(before, hostUse(spec));
  return keys.length === 0 ? [] : [[spec.name, keys]];
}

/** Which files no guest may change can be another VM's business, for which one need not boot again. */
function differInFilesAlone(known: Wanted, { spec }: Wanted): boolean {
  const { unchanged } = known.spec.shares;
  return wantedOf({ ...spec, shares: { ...spec.shares, unchanged } }).digest === known.digest;
}

/** What is held back while somebody watches a project, each told once. */
export class HoldingBack {
  readonly #begun: readonly Wanted[];
  readonly #known = new Map<string, Wanted>();
  #told: ReadonlySet<string> = new Set();

  constructor(begun: readonly Wanted[]) {
    this.#begun = begun;
    this.#remember(begun);
  }

  /** What is to be had of a file as it is now, and what is to be said of the rest. */
  settle(
    wanted: readonly Wanted[],
    there: readonly Supervised[],
  ): { readonly wanted: readonly Wanted[]; readonly news: readonly string[] } {
    this.#remember(wanted);
    const settled = holdBack(wanted, this.#begun, this.#takenOf(there));
    const lines = settled.held.map(({ vm, keys }) => `${vm}: restart up to use the new ${keys.join(', ')}`);
    const news = lines.filter((line) => !this.#told.has(line));
    this.#told = new Set(lines);
    return { wanted: settled.wanted, news };
  }

  #remember(wanted: readonly Wanted[]): void {
    for (const one of wanted) this.#known.set(keyOf(one.spec.name, one.digest), one);
  }

  /** VMs as they were when they were last started; those of the beginning until then. */
  #takenOf(there: readonly Supervised[]): Map<string, Wanted> {
    const started = there.flatMap(({ name, digest }) => this.#known.get(keyOf(name, digest)) ?? []);
    return new Map([...this.#begun, ...started].map((one) => [one.spec.name, one]));
  }
}

function keyOf(name: string, digest: string): string {
  return `${name} ${digest}`;
}
