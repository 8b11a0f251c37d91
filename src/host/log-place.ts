import { closeSync, constants, fstatSync, openSync } from 'node:fs';

/** Paths of a rotated log and of its older part (log-cap.ts). */
export interface LogPlace {
  readonly path: string;
  readonly previous: string;
}

/** Paths of a log. */
export function placeOf(log: string | LogPlace): LogPlace {
  return typeof log === 'string' ? { path: log, previous: `${log}.1` } : log;
}

/** Opens the older part of a log, if any; does not follow a link, which a guest may have created. */
export function openPrevious({ previous }: LogPlace): number | undefined {
  try {
    const file = openSync(previous, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if (fstatSync(file).isFile()) return file;
    closeSync(file);
  } catch {
    // missing, or a link
  }
  return undefined;
}
