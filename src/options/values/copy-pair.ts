import { resolve } from 'node:path';
import { text } from './primitives.ts';
import type { Syntax } from './value-type.ts';
import { codec } from './value-type.ts';

/** A host path and an absolute guest path. */
export interface CopyPair {
  readonly host: string;
  readonly guest: string;
}

const absolute: Syntax<CopyPair>['absolute'] = ({ host, guest }, base) => ({
  host: absoluteHostPath(host, base),
  guest,
});

/** A copy into a guest, `HOST:/GUEST`. */
export const copyIn = codec<CopyPair>(text, {
  decode: (pair, fail) => {
    const [, host, guest] = /^(.+):(\/.*)$/s.exec(pair) ?? [];
    if (host !== undefined && guest !== undefined) return { host, guest };
    return fail('must be HOST_PATH:GUEST_PATH, with an absolute path in the guest');
  },
  encode: ({ host, guest }) => `${host}:${guest}`,
  absolute,
});

/** A copy out of a guest, `/GUEST:HOST`. */
export const copyOut = codec<CopyPair>(text, {
  decode: (pair, fail) => {
    const [, guest, host] = /^(\/[^:]*):(.+)$/s.exec(pair) ?? [];
    if (guest !== undefined && /^\/+$/.test(guest))
      return fail('must not be the root directory of the guest');
    if (host !== undefined && guest !== undefined) return { host, guest };
    return fail('must be GUEST_PATH:HOST_PATH, with an absolute path in the guest');
  },
  encode: ({ host, guest }) => `${guest}:${host}`,
  absolute,
});

/** Makes a host path absolute; an ending that denotes a directory (`/`, `.`, `..`) is kept as a trailing slash. */
export function absoluteHostPath(path: string, base: string): string {
  return `${resolve(base, path)}${/(?:^|\/)\.{0,2}$/.test(path) ? '/' : ''}`;
}
