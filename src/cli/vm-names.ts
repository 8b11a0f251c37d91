import { instanceName, storeOfEntry, storedName } from '../config/resolve.ts';
import { environmentLayer } from '../config/merge.ts';
import { findTransientfile, loadTransientfile } from '../config/transientfile.ts';
import type { RunningVm } from '../host/vm-registry.ts';
import { runningVms } from '../host/vm-registry.ts';
import type { Invocation, InvocationPlace } from './command.ts';
import { storesIn } from './typed-layers.ts';

/** Instance name of a VM, and the store it is looked up in. */
export interface NamedInStore {
  readonly name: string;
  readonly vmstore: string;
}

/** Resolves VM names; in a project, names of its Transientfile take precedence. */
export async function namedVms(invocation: Invocation, names: readonly string[]): Promise<NamedInStore[]> {
  const { vmstore } = storesIn(invocation);
  const short = await shortNames(invocation);
  return names.map((name) => short.get(name) ?? { name, vmstore });
}

/** Running VMs of the store and of the project in any store, short names of the project first. */
export async function runningByNames(
  place: InvocationPlace,
): Promise<{ readonly names: readonly string[]; readonly vm: RunningVm }[]> {
  const { vmstore } = storesIn(place);
  const short = [...(await shortNames(place))];
  const stores = [...new Set([vmstore, ...short.map(([, vm]) => vm.vmstore)])];
  const found = stores.map((store) =>
    runningVms(place.environment, store).map((vm) => {
      const matching = short.filter(([, one]) => one.name === vm.name && one.vmstore === store);
      return {
        names: [...new Set([...matching.map(([name]) => name), vm.name])],
        vm,
        isOurs: matching.length > 0,
      };
    }),
  );
  // only VMs of the project are listed from other stores
  return found.flatMap((vms, index) => vms.filter(({ isOurs }) => index === 0 || isOurs));
}

async function shortNames({
  workingDirectory,
  environment,
  flags,
}: InvocationPlace): Promise<ReadonlyMap<string, NamedInStore>> {
  const path = findTransientfile(workingDirectory);
  const file = path.ok ? await loadTransientfile(path.value, workingDirectory) : path;
  // outside of a project, or if its file is invalid, there are no short names
  if (!file.ok) return new Map();
  const upper = [environmentLayer(environment, workingDirectory), flags];
  return new Map(
    file.value.vms.map((entry) => [
      entry.name,
      {
        name: storedName(file.value, entry) ?? instanceName(file.value, entry),
        vmstore: storeOfEntry(file.value, entry, upper, environment),
      },
    ]),
  );
}
