import { resolve } from 'node:path';
import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import { text } from './primitives.ts';
import { codec } from './value-type.ts';

/** How a folder is shared with the guest: with sshfs over the VM's ssh, or by a QEMU device. */
export const SHARE_WAYS = ['sshfs', '9p', 'virtiofs'] as const;
export type ShareWay = (typeof SHARE_WAYS)[number];

/** A host directory and its mount point in the guest, with how it is shared. */
export interface SharedFolder {
  readonly host: string;
  /** Absolute, or relative to the home directory of the ssh user. */
  readonly guest: string;
  readonly readonly?: boolean | undefined;
  /** Undefined in a folder that is written as text. */
  readonly via?: ShareWay | undefined;
  /** In seconds. */
  readonly cache?: number | undefined;
}

const NOT_THE_ROOT = 'must not be the root directory of the guest';

function isRoot(guest: string): boolean {
  return /^[/.]*$/.test(guest);
}

const table = lazily(() =>
  z
    .strictObject({
      host: text().meta({ description: 'host directory' }),
      guest: text()
        .refine((guest) => !isRoot(guest), { error: NOT_THE_ROOT })
        .meta({ description: 'mount point in the guest' }),
      readonly: z.boolean().optional().meta({ description: 'mount it read-only', default: false }),
      via: z.enum(SHARE_WAYS).default('sshfs').meta({ description: 'how it is shared' }),
      cache: z.int().min(0).max(3600).optional().meta({
        description: 'how many seconds the guest may cache names, sizes and times, with sshfs',
        default: 0,
      }),
    })
    .refine(({ via, cache = 0 }) => via === 'sshfs' || cache === 0, {
      error: 'must not be set for 9p or virtiofs: they ask the host each time',
      path: ['cache'],
    }),
);

const input = lazily(() =>
  z.union([text(), table()], { error: 'must be "HOST_PATH:GUEST_PATH", or a table with host and guest' }),
);

/** A shared folder: `HOST:GUEST`, or a table with more settings. */
export const sharedFolder = codec<SharedFolder, z.output<ReturnType<typeof input>>>(input, {
  decode: (folder, fail) => {
    if (typeof folder !== 'string') return folder;
    const [, host, guest] = /^(.+):([^:]+)$/s.exec(folder) ?? [];
    if (host === undefined || guest === undefined) return fail('must be HOST_PATH:GUEST_PATH');
    return isRoot(guest) ? fail(NOT_THE_ROOT) : { host, guest };
  },
  encode: ({ via, ...folder }) => (via === undefined ? `${folder.host}:${folder.guest}` : { ...folder, via }),
  absolute: (folder, base) => ({ ...folder, host: resolve(base, folder.host) }),
});
