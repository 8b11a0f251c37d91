import { resolve } from 'node:path';
import { isWithin, pathComponents } from '../config/path-components.ts';

/** Directory of a project, and the working directory in which its programs are searched. */
export interface ProjectPlace {
  readonly directory: string;
  readonly workingDirectory: string;
}

/** Formats a host path for display in a plan. */
export type ShowPath = (path: string) => string;

const MARK = 'outside the project';

/** Marks paths outside the project. A name without a slash is searched on PATH and never marked. */
export function shownIn(place: ProjectPlace | undefined): ShowPath {
  return (path) => (isOutside(path, place) ? `${path} (${MARK})` : path);
}

/** Returns only the mark, for a path that is displayed elsewhere. */
export function outsideMark(path: string, place: ProjectPlace | undefined): string {
  return isOutside(path, place) ? MARK : '';
}

function isOutside(path: string, place: ProjectPlace | undefined): boolean {
  if (place === undefined || !path.includes('/')) return false;
  const absolute = resolve(place.workingDirectory, path);
  if (!isWithin(absolute, place.directory)) return true;
  // a link in the project can point anywhere
  const end = pathComponents(absolute).at(-1);
  return end?.file !== undefined && !isWithin(end.path, place.directory);
}
