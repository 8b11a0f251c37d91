import { readdir } from 'node:fs/promises';
import type { Environment } from '../../config/merge.ts';
import { readDocument } from '../../config/document.ts';
import { findTransientfile } from '../../config/transientfile.ts';
import { decodeName } from '../../host/store-layout.ts';
import type { Layer } from '../../options/layer.ts';
import { storesIn } from '../commands/layers.ts';
import { runningByNames } from '../commands/short-names.ts';

/** Context of the command line, whose flags typed so far are not available. */
interface Place {
  readonly environment: Environment;
  readonly workingDirectory: string;
  readonly flags: Layer;
}

/** Names of a kind that fit on one line; none for an unknown kind. */
export async function namesOf(
  kind: string,
  environment: Environment,
  workingDirectory: string,
): Promise<string[]> {
  const nothing: Layer = {
    values: {},
    where: (name) => ({ kind: 'flag', flag: name }),
    base: workingDirectory,
  };
  const place: Place = { environment, workingDirectory, flags: nothing };
  const names = await namesIn(kind, place);
  return [...new Set(names)].filter((name) => !/\p{Control}/u.test(name)).sort();
}

async function namesIn(kind: string, place: Place): Promise<string[]> {
  switch (kind) {
    case 'project':
      return inTransientfile(place);
    case 'running':
      return (await runningByNames(place)).flatMap(({ names }) => names);
    case 'stored':
      return entriesOf(storesIn(place).vmstore, 'directory');
    case 'images':
      return entriesOf(storesIn(place).backend, 'file');
    default:
      return [];
  }
}

/** VM names of the Transientfile, even if it is invalid otherwise. */
function inTransientfile({ workingDirectory }: Place): string[] {
  const path = findTransientfile(workingDirectory);
  const document = path.ok ? readDocument(path.value, path.value) : path;
  return document.ok ? Object.keys(document.value.data['vms'] ?? {}) : [];
}

/** Names in a store; dot-directories are internal. */
async function entriesOf(directory: string, kind: 'file' | 'directory'): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  return entries
    .filter((entry) => (kind === 'directory' ? entry.isDirectory() : !entry.isDirectory()))
    .filter(({ name }) => !name.startsWith('.'))
    .flatMap(({ name }) => decodeName(name) ?? []);
}
