import { resolve } from 'node:path';
import { isWithin, pathComponents } from '../config/path-components.ts';

/** Where the project of a Transientfile lies, and where its programs are looked for. */
export interface ProjectPlace {
  readonly directory: string;
  readonly workingDirectory: string;
}

/** A path of the host as a plan shows it. */
export type ShowPath = (path: string) => string;

const MARK = 'outside the project';

/** Paths with a mark where they are not the project's own. What has no slash is looked for on PATH, and is no path. */
export function shownIn(place: ProjectPlace | undefined): ShowPath {
  return (path) => (isOutside(path, place) ? `${path} (${MARK})` : path);
}

/** The mark alone, for a path that is shown already. */
export function outsideMark(path: string, place: ProjectPlace | undefined): string {
  return isOutside(path, place) ? MARK : '';
}

function isOutside(path: string, place: ProjectPlace | undefined): boolean {
  if (place === undefined || !path.includes('/')) return false;
  const absolute = resolve(place.workingDirectory, path);
  if (!isWithin(absolute, place.directory)) return true;
  // a link of the project can lead anywhere
  const end = pathComponents(absolute).at(-1);
  return end?.file !== undefined && !isWithin(end.path, place.directory);
}
