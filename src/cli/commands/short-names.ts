import { instanceName, storeOfEntry, storedName } from '../../config/resolve.ts';
import { environmentLayer } from '../../config/merge.ts';
import { findTransientfile, loadTransientfile } from '../../config/transientfile.ts';
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

async function shortNames({
  workingDirectory,
  environment,
  flags,
}: Invocation): Promise<ReadonlyMap<string, NamedInStore>> {
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
