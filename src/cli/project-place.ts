import { resolve } from 'node:path';
import { isWithin, pathComponents } from '../config/path-components.ts';
import type { Fact } from '../plan/step-base.ts';

/** Directory of a project, and the working directory in which its programs are searched. */
export interface ProjectPlace {
  readonly directory: string;
  readonly workingDirectory: string;
}

const MARK = 'outside the project';

/** The text of a fact, marked if its path is outside the project. A name without a slash is searched on PATH. */
export function factText(fact: Fact, place: ProjectPlace | undefined): string {
  if (typeof fact === 'string') return fact;
  if (!isOutside(fact.path, place)) return fact.text;
  return fact.text === '' ? MARK : `${fact.text} (${MARK})`;
}

function isOutside(path: string, place: ProjectPlace | undefined): boolean {
  if (place === undefined || !path.includes('/')) return false;
  const absolute = resolve(place.workingDirectory, path);
  if (!isWithin(absolute, place.directory)) return true;
  // a link in the project can point anywhere
  const end = pathComponents(absolute).at(-1);
  return end?.file !== undefined && !isWithin(end.path, place.directory);
}
