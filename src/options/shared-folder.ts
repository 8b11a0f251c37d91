import * as z from 'zod';
import { lazily } from '../lazily.ts';
import { text } from './option.ts';

/** How a shared folder comes into the guest: by sshfs over the VM's ssh, or by a device of QEMU. */
export const SHARE_WAYS = ['sshfs', '9p', 'virtiofs'] as const;
export type ShareWay = (typeof SHARE_WAYS)[number];

/** A host directory and its place in the guest, with how it is shared where that is said. */
export interface SharedFolder {
  readonly host: string;
  readonly guest: string;
  readonly readonly?: boolean | undefined;
  readonly via?: ShareWay | undefined;
  /** In seconds. */
  readonly cache?: number | undefined;
}

/** Reads `HOST:GUEST`; a string says what is wrong with it. A guest path without a slash in front is in the user's home. */
export function parseSharedFolder(said: string): SharedFolder | string {
  const [, host, guest] = /^(.+):([^:]+)$/s.exec(said) ?? [];
  if (host === undefined || guest === undefined) return 'must be HOST_PATH:GUEST_PATH';
  return isRoot(guest) ? NOT_THE_ROOT : { host, guest };
}

const NOT_THE_ROOT = 'must name something below the root of the guest';

function isRoot(guest: string): boolean {
  return /^[/.]*$/.test(guest);
}

const pair = lazily(() =>
  text().refine((said) => typeof parseSharedFolder(said) !== 'string', {
    error: (issue) => parseSharedFolder(issue.input as string) as string,
    abort: true,
  }),
);

const table = lazily(() =>
  z
    .strictObject({
      host: text().meta({ description: 'directory of the host' }),
      guest: text()
        .refine((guest) => !isRoot(guest), { error: NOT_THE_ROOT })
        .meta({ description: 'where it appears in the guest' }),
      readonly: z.boolean().optional().meta({ description: 'the guest may not change it', default: false }),
      via: z
        .enum(SHARE_WAYS)
        .optional()
        .meta({ description: 'how it comes into the guest', default: 'sshfs' }),
      cache: z.int().min(0).max(3600).optional().meta({
        description: 'for how many seconds the guest may remember names, sizes and times, by sshfs',
        default: 0,
      }),
    })
    .refine(({ via = 'sshfs', cache = 0 }) => via === 'sshfs' || cache === 0, {
      error: 'must be left out of a folder by 9p or virtiofs: they ask the host each time',
      path: ['cache'],
    }),
);

/** What is to be shared: the text that was written, or a table with more to say. */
export const sharedFolder = lazily(() =>
  z.union([pair(), table()], {
    error: 'must be "HOST_PATH:GUEST_PATH", or a table with host and guest',
  }),
);

/** A shared folder that was checked, in one form. */
export function knownSharedFolder(said: z.infer<ReturnType<typeof sharedFolder>>): SharedFolder {
  if (typeof said !== 'string') return said;
  const folder = parseSharedFolder(said);
  if (typeof folder === 'string') throw new Error(`a shared folder that was not checked: ${said}`);
  return folder;
}
