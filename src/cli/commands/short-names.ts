import { instanceName, storeOfEntry, storedName } from '../../config/resolve.ts';
import { environmentLayer } from '../../config/merge.ts';
import { findTransientfile, loadTransientfile } from '../../config/transientfile.ts';
import type { RunningVm } from '../../host/vm-registry.ts';
import { runningVms } from '../../host/vm-registry.ts';
import type { Invocation } from '../command.ts';
import { storesIn } from './layers.ts';

/** A VM by the name that it has while it runs, and the store in which it is looked for. */
export interface NamedInStore {
  readonly name: string;
  readonly vmstore: string;
}

/** The VMs that were named: in a project also by their names in its Transientfile, which come first there. */
export async function namedVms(invocation: Invocation, names: readonly string[]): Promise<NamedInStore[]> {
  const { vmstore } = storesIn(invocation);
  const short = await shortNames(invocation);
  return names.map((name) => short.get(name) ?? { name, vmstore });
}

/** The VMs of the store that run, and those of the project wherever it keeps them, with their short names there first. */
export async function runningByNames(
  place: Pick<Invocation, 'workingDirectory' | 'environment' | 'flags'>,
): Promise<{ readonly names: readonly string[]; readonly vm: RunningVm }[]> {
  const { vmstore } = storesIn(place);
  const short = [...(await shortNames(place))];
  const stores = [...new Set([vmstore, ...short.map(([, vm]) => vm.vmstore)])];
  const found = await Promise.all(
    stores.map(async (store) =>
      (await runningVms(place.environment, store)).map((vm) => {
        const own = short.filter(([, one]) => one.name === vm.name && one.vmstore === store);
        return { names: [...new Set([...own.map(([name]) => name), vm.name])], vm, isOurs: own.length > 0 };
      }),
    ),
  );
  // of another store only what is of the project
  return found.flatMap((vms, index) => vms.filter(({ isOurs }) => index === 0 || isOurs));
}

async function shortNames({
  workingDirectory,
  environment,
  flags,
}: Pick<Invocation, 'workingDirectory' | 'environment' | 'flags'>): Promise<
  ReadonlyMap<string, NamedInStore>
> {
  const path = findTransientfile(workingDirectory);
  const file = path.ok ? await loadTransientfile(path.value, workingDirectory) : path;
  // outside of a project, or in one whose file is broken, names are those of running VMs
  if (!file.ok) return new Map();
  const above = [environmentLayer(environment, workingDirectory), flags];
  return new Map(
    file.value.vms.map((entry) => [
      entry.name,
      {
        name: storedName(file.value, entry) ?? instanceName(file.value, entry),
        vmstore: storeOfEntry(file.value, entry, above, environment),
      },
    ]),
  );
}
