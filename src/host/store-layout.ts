import { basename, dirname, join } from 'node:path';

/**
 * A name as a file name, the way the Python transient writes it: everything but letters, digits, `_`, `.` and
 * `~` as `%XX` of its UTF-8 bytes, also `-`. The result never holds a slash, nor is it `.` or `..`.
 */
export function encodeName(name: string): string {
  const encoded = encodeURIComponent(name).replaceAll(
    /[-!*'()]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return /^\.{1,2}$/.test(encoded) ? encoded.replaceAll('.', '%2E') : encoded;
}

/** The name that a file name of a store stands for, or undefined where it is none. */
export function decodeName(fileName: string): string | undefined {
  try {
    return decodeURIComponent(fileName);
  } catch {
    return undefined;
  }
}

/** Directory of a VM store that holds what only we know of; whatever lists a store skips dot-directories. */
const OURS = '.transient';

/** Where a VM has its place in a VM store: its disks and configuration, and what only we know of it. */
export interface VmPaths {
  readonly directory: string;
  readonly config: string;
  readonly ours: string;
  /** The private key that its guest was given; it is there as long as the guest may have it. */
  readonly loginKey: string;
}

export function vmPaths(vmstore: string, name: string): VmPaths {
  const encoded = encodeName(name);
  const directory = join(vmstore, encoded);
  return {
    directory,
    config: join(directory, 'config'),
    ours: join(internalPath(vmstore, 'vms'), `${encoded}.toml`),
    loginKey: loginKeyOf(directory),
  };
}

/** The login key of the VM whose directory it is. */
export function loginKeyOf(directory: string): string {
  return join(internalPath(dirname(directory), 'vms'), `${basename(directory)}.key`);
}

/** A directory of our own in a VM store: texts of VMs, those being created, those being removed. */
export function internalPath(vmstore: string, what: 'vms' | 'creating' | 'removed'): string {
  return join(vmstore, OURS, what);
}

/** The file of an image in a backend. */
export function imagePath(backend: string, image: string): string {
  return join(backend, encodeName(image));
}
