import { written } from './primitives.ts';

/** A host path and an absolute guest path. */
export interface CopyPair {
  readonly host: string;
  readonly guest: string;
}

/** Parses `HOST:/GUEST`; returns the error as a string. */
export function parseCopyIn(pair: string): CopyPair | string {
  const [, host, guest] = /^(.+):(\/.*)$/s.exec(pair) ?? [];
  if (host !== undefined && guest !== undefined) return { host, guest };
  return 'must be HOST_PATH:GUEST_PATH, with an absolute path in the guest';
}

/** Parses `/GUEST:HOST`; returns the error as a string. */
export function parseCopyOut(pair: string): CopyPair | string {
  const [, guest, host] = /^(\/[^:]*):(.+)$/s.exec(pair) ?? [];
  if (guest !== undefined && /^\/+$/.test(guest)) return 'must not be the root directory of the guest';
  if (host !== undefined && guest !== undefined) return { host, guest };
  return 'must be GUEST_PATH:HOST_PATH, with an absolute path in the guest';
}

/** Schema of a copy into a guest, kept as the text that was written. */
export const copyIn = written(parseCopyIn);

/** Schema of a copy out of a guest, kept as the text that was written. */
export const copyOut = written(parseCopyOut);
