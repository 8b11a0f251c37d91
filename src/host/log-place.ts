import { closeSync, constants, fstatSync, openSync } from 'node:fs';

/** Where a log lies that is kept from growing for ever, and where its older part lies (log-cap.ts). */
export interface LogPlace {
  readonly path: string;
  readonly previous: string;
}

/** The place of a log by its path. */
export function placeOf(log: string | LogPlace): LogPlace {
  return typeof log === 'string' ? { path: log, previous: `${log}.1` } : log;
}

/** Opens the older part of a log, where there is one; a guest that can put a link there leads us nowhere. */
export function openPrevious({ previous }: LogPlace): number | undefined {
  try {
    const file = openSync(previous, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if (fstatSync(file).isFile()) return file;
    closeSync(file);
  } catch {
    // there is none, or it is a link
  }
  return undefined;
}
