import type { ShareWay } from '../options/values/shared-folder.ts';
import type { Merged } from './merge.ts';

/** A host directory mounted in the guest. */
export interface SharedFolderSpec {
  /** An absolute path. */
  readonly host: string;
  /** Absolute, or relative to the home directory of the ssh user. */
  readonly guest: string;
  readonly readonly: boolean;
  /** How many seconds the guest may cache names and attributes; undefined without caching. */
  readonly cache?: number;
}

/** Shared folders of a VM by mechanism. */
export interface SharesSpec {
  readonly sshfs: readonly SharedFolderSpec[];
  readonly '9p': readonly SharedFolderSpec[];
  readonly virtiofs: readonly SharedFolderSpec[];
  /** SFTP server program for sshfs: a path, or a name to be searched. */
  readonly sftpServer: string;
  /** Absolute paths of files that control what runs on the host, which are protected in every folder. */
  readonly unchanged: readonly string[];
}

/** All folders that a VM shares, by any mechanism. */
export function allFolders(shares: SharesSpec): readonly SharedFolderSpec[] {
  return [...shares.sshfs, ...shares['9p'], ...shares.virtiofs];
}

export function sharesOf({ option }: Merged, unchanged: readonly string[]): SharesSpec {
  const folders = option('shared-folder');
  const by = (way: ShareWay): readonly SharedFolderSpec[] =>
    folders
      .filter(({ via = 'sshfs' }) => via === way)
      .map(({ host, guest, readonly = false, cache = 0 }) => ({
        host,
        guest,
        readonly,
        ...(cache > 0 ? { cache } : {}),
      }));
  return {
    sshfs: by('sshfs'),
    '9p': by('9p'),
    virtiofs: by('virtiofs'),
    sftpServer: option('sftp-bin-name'),
    unchanged: folders.some(({ readonly = false }) => !readonly) ? unchanged : [],
  };
}
