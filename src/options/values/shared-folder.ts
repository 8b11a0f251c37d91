import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import { text, written } from './primitives.ts';

/** How a folder is shared with the guest: with sshfs over the VM's ssh, or by a QEMU device. */
export const SHARE_WAYS = ['sshfs', '9p', 'virtiofs'] as const;
export type ShareWay = (typeof SHARE_WAYS)[number];

/** A host directory and its mount point in the guest, with how it is shared if that is set. */
export interface SharedFolder {
  readonly host: string;
  readonly guest: string;
  readonly readonly?: boolean | undefined;
  readonly via?: ShareWay | undefined;
  /** In seconds. */
  readonly cache?: number | undefined;
}

/** Parses `HOST:GUEST`; returns the error as a string. A relative guest path is relative to the user's home. */
export function parseSharedFolder(value: string): SharedFolder | string {
  const [, host, guest] = /^(.+):([^:]+)$/s.exec(value) ?? [];
  if (host === undefined || guest === undefined) return 'must be HOST_PATH:GUEST_PATH';
  return isRoot(guest) ? NOT_THE_ROOT : { host, guest };
}

const NOT_THE_ROOT = 'must not be the root directory of the guest';

function isRoot(guest: string): boolean {
  return /^[/.]*$/.test(guest);
}

const pair = written(parseSharedFolder);

const table = lazily(() =>
  z
    .strictObject({
      host: text().meta({ description: 'host directory' }),
      guest: text()
        .refine((guest) => !isRoot(guest), { error: NOT_THE_ROOT })
        .meta({ description: 'mount point in the guest' }),
      readonly: z.boolean().optional().meta({ description: 'mount it read-only', default: false }),
      via: z.enum(SHARE_WAYS).optional().meta({ description: 'how it is shared', default: 'sshfs' }),
      cache: z.int().min(0).max(3600).optional().meta({
        description: 'how many seconds the guest may cache names, sizes and times, with sshfs',
        default: 0,
      }),
    })
    .refine(({ via = 'sshfs', cache = 0 }) => via === 'sshfs' || cache === 0, {
      error: 'must not be set for 9p or virtiofs: they ask the host each time',
      path: ['cache'],
    }),
);

/** Schema of a shared folder: the text that was written, or a table with more settings. */
export const sharedFolder = lazily(() =>
  z.union([pair(), table()], {
    error: 'must be "HOST_PATH:GUEST_PATH", or a table with host and guest',
  }),
);

/** Normalizes a validated shared folder to a table; throws if it was not validated. */
export function checkedSharedFolder(value: z.infer<ReturnType<typeof sharedFolder>>): SharedFolder {
  if (typeof value !== 'string') return value;
  const folder = parseSharedFolder(value);
  if (typeof folder === 'string') throw new Error(`unchecked shared folder: ${value}`);
  return folder;
}
