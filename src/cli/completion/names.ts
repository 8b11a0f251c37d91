import { readdir } from 'node:fs/promises';
import { readDocument } from '../../config/document.ts';
import { findTransientfile } from '../../config/transientfile.ts';
import { decodeName } from '../../host/store-layout.ts';
import type { Layer } from '../../options/layer.ts';
import { storesIn } from '../typed-layers.ts';
import type { InvocationPlace } from '../command.ts';
import { Output } from '../output.ts';
import { runningByNames } from '../vm-names.ts';

/** Prints names of a kind, one per line; errors are ignored, since they would disturb the command line. */
export async function printNames(kind: string): Promise<number> {
  const names = await namesOf(kind).catch(() => []);
  return new Output().print(names.map((name) => `${name}\n`).join(''));
}

/** Names of a kind that fit on one line; none for an unknown kind. */
async function namesOf(kind: string): Promise<string[]> {
  const workingDirectory = process.cwd();
  // the flags typed so far are not available
  const flags: Layer = {
    values: {},
    where: (name) => ({ kind: 'flag', flag: name }),
    base: workingDirectory,
  };
  const names = await namesIn(kind, { environment: process.env, workingDirectory, flags });
  return [...new Set(names)].filter((name) => !/\p{Control}/u.test(name)).sort();
}

async function namesIn(kind: string, place: InvocationPlace): Promise<string[]> {
  switch (kind) {
    case 'project':
      return inTransientfile(place);
    case 'running':
      return (await runningByNames(place)).flatMap(({ names }) => names);
    case 'stored':
      return entriesOf(storesIn(place).vmstore, 'directory');
    case 'images':
      return entriesOf(storesIn(place).backend, 'file');
    case 'available':
      return [
        ...(await entriesOf(storesIn(place).backend, 'file').catch(() => [])),
        ...(await catalogNames()),
      ];
    default:
      return [];
  }
}

async function catalogNames(): Promise<string[]> {
  const { Catalog } = await import('../../catalog/catalog.ts');
  return Catalog.open(process.env).names();
}

/** VM names of the Transientfile, even if it is invalid otherwise. */
function inTransientfile({ workingDirectory }: InvocationPlace): string[] {
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
