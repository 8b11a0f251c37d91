import { open, readdir, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { decodeName } from '../host/store-layout.ts';
import { allRunningVms } from '../host/vm-registry.ts';
import { errorCode } from '../problem.ts';

/** Longest backing file name of a qcow2, and where its header has it (QEMU, docs/interop/qcow2). */
const NAME_LIMIT = 1023;

/** The VMs of a store that need the image, and those of any store that run from it right now. */
export async function vmsUsing(image: string, vmstore: string): Promise<string[]> {
  const file = await real(image);
  const running = await allRunningVms(process.env);
  const uses = await Promise.all(
    running.map(async ({ name, files }) =>
      (await Promise.all(files.map(real))).includes(file) ? [name] : [],
    ),
  );
  return [...new Set([...(await vmsBackedBy(image, vmstore)), ...uses.flat()])].sort();
}

/** The VMs of a store of which a disk is an overlay of the image; a store that is not there has none. */
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

/** The file that a disk is an overlay of, where that is not there any more. */
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

/** A path without links, however it was written; one that leads nowhere stays as it is. */
async function real(path: string): Promise<string> {
  return realpath(path).catch(() => resolve(path));
}

/** Only what is not there is no user; what cannot be looked at might be one. */
function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR'].includes(errorCode(error) ?? '');
}

/** The absolute path of a qcow2's backing file; undefined where there is none or it is no qcow2. */
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
