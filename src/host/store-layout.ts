import { basename, dirname, join } from 'node:path';

/**
 * Encodes a name as a file name like the Python transient: everything but letters, digits, `_`, `.` and `~`, and thus also
 * `-`, as `%XX` of its UTF-8 bytes. The result never contains a slash, nor is it `.` or `..`.
 */
export function encodeName(name: string): string {
  const encoded = encodeURIComponent(name).replaceAll(
    /[-!*'()]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return /^\.{1,2}$/.test(encoded) ? encoded.replaceAll('.', '%2E') : encoded;
}

/** Decodes a file name of a store; undefined if it is not an encoded name. */
export function decodeName(fileName: string): string | undefined {
  try {
    return decodeURIComponent(fileName);
  } catch {
    return undefined;
  }
}

/** Internal directory of a VM store; dot-directories are skipped when a store is listed. */
const OURS = '.transient';

/** Paths of a VM in a VM store: its disks and configuration, and our extension of it. */
export interface VmPaths {
  readonly directory: string;
  readonly config: string;
  readonly ours: string;
  /** Generated private key of the guest; exists as long as the guest may use it. */
  readonly loginKey: string;
  /** Private host key of a guest until its seed has been applied, and the public one from then on (known_hosts). */
  readonly hostKey: string;
  readonly knownHosts: string;
}

type KeyPaths = Pick<VmPaths, 'loginKey' | 'hostKey' | 'knownHosts'>;

export function vmPaths(vmstore: string, name: string): VmPaths {
  const encoded = encodeName(name);
  const directory = join(vmstore, encoded);
  return {
    directory,
    config: join(directory, 'config'),
    ours: join(internalPath(vmstore, 'vms'), `${encoded}.toml`),
    ...keyPathsOf(directory),
  };
}

/** Paths of the keys of the VM with this directory. */
export function keyPathsOf(directory: string): KeyPaths {
  const path = (extension: string): string =>
    join(internalPath(dirname(directory), 'vms'), `${basename(directory)}.${extension}`);
  return { loginKey: path('key'), hostKey: path('host-key'), knownHosts: path('known-hosts') };
}

/** Path of an internal directory of a VM store: for texts of VMs, VMs being created, VMs being removed. */
export function internalPath(vmstore: string, what: 'vms' | 'creating' | 'removed'): string {
  return join(vmstore, OURS, what);
}

/** Path of an image in a backend. */
export function imagePath(backend: string, image: string): string {
  return join(backend, encodeName(image));
}
