import type { ConfinedPlace } from './confinement.ts';
import { NoSuchPlace } from './confinement.ts';
import { STATUS, status } from './sftp-packets.ts';

/** Rejects a request with a status of our own. */
export class Refusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export function readOnly(): Refusal {
  return new Refusal(STATUS.permissionDenied, 'the folder is shared read-only');
}

/** Rejection of a request on a protected file, or on a directory that leads to it. */
export function unchangeable(place?: ConfinedPlace): Refusal {
  place?.release();
  return new Refusal(STATUS.permissionDenied, 'it decides what runs on the host');
}

export function refusalOf(error: unknown, id: number): Buffer {
  if (error instanceof Refusal) return status(id, error.code, error.message);
  if (!(error instanceof NoSuchPlace)) throw error;
  const isMissing = ['ENOENT', 'ENOTDIR'].includes(error.code);
  return status(id, isMissing ? STATUS.noSuchFile : STATUS.permissionDenied, error.code);
}
