import type { SharedFolderSpec, SharesSpec } from './vm-spec.ts';

/** All folders that a VM shares, by any mechanism. */
export function allFolders(shares: SharesSpec): readonly SharedFolderSpec[] {
  return [...shares.sshfs, ...shares['9p'], ...shares.virtiofs];
}
