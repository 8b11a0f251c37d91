import { open, readdir, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { decodeName } from '../host/store-layout.ts';
import { allRunningVms } from '../host/vm-registry.ts';
import { errorCode } from '../problem.ts';

/**
 * Maximum length of a qcow2 backing file name, in bytes; the header holds its offset and length (QEMU,
 * docs/interop/qcow2).
 */
const NAME_LIMIT = 1023;

/** VMs of a store whose disks are based on the image, and VMs of any store that currently run from it. */
export async function vmsUsing(image: string, vmstore: string): Promise<string[]> {
  const file = await real(image);
  const running = allRunningVms(process.env);
  const uses = await Promise.all(
    running.map(async ({ name, files }) =>
      (await Promise.all(files.map(real))).includes(file) ? [name] : [],
    ),
  );
  return [...new Set([...(await vmsBackedBy(image, vmstore)), ...uses.flat()])].sort();
}

/** VMs of a store that have an overlay of the image; none if the store does not exist. */
async function vmsBackedBy(image: string, vmstore: string): Promise<string[]> {
  const directories = await namesIn(vmstore);
  const uses = await Promise.all(
    directories.map(async (directory) => {
      const disks = await namesIn(join(vmstore, directory));
      const backing = await Promise.all(disks.map((disk) => backingFile(join(vmstore, directory, disk))));
      return backing.includes(await real(image)) ? [decodeName(directory) ?? directory] : [];
    }),
  );
  return uses.flat().sort();
}

/** Path of a disk's backing file if that file is missing. */
export async function missingBacking(disk: string): Promise<string | undefined> {
  const backing = await backingFile(disk);
  if (backing === undefined) return undefined;
  return stat(backing).then(
    () => undefined,
    () => backing,
  );
}

async function namesIn(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  return names.filter((name) => !name.startsWith('.'));
}

/** Resolves symbolic links; a path that does not exist is returned as an absolute path. */
async function real(path: string): Promise<string> {
  return realpath(path).catch(() => resolve(path));
}

/** Only a missing file counts as unused; one that cannot be read may be a user of the image. */
function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR'].includes(errorCode(error) ?? '');
}

/** Absolute path of a qcow2's backing file; undefined if it has none or is not a qcow2. */
async function backingFile(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r');
    const { buffer: head, bytesRead } = await file.read(Buffer.alloc(20), 0, 20, 0);
    if (bytesRead < 20 || head.readUInt32BE(0) !== 0x514649fb) return undefined;
    const length = head.readUInt32BE(16);
    if (length === 0 || length > NAME_LIMIT) return undefined;
    const name = await file.read(Buffer.alloc(length), 0, length, Number(head.readBigUInt64BE(8)));
    return await real(resolve(join(path, '..'), name.buffer.toString('utf8', 0, name.bytesRead)));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
