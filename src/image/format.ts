import { open } from 'node:fs/promises';
import { TransientError, systemMessage } from '../problem.ts';
import { encryptedQcow2, foreignDisk } from './foreign-disks.ts';
import { blockDeviceSize } from './source-file.ts';

/** The formats of disks that we take, by qemu-img's names. */
export type DiskFormat = 'qcow2' | 'raw' | 'vmdk' | 'vdi' | 'vhdx' | 'vpc' | 'qed';

const SECTOR = 512;
/** How much of the beginning is looked at, in bytes: a header, and the descriptor that a vmdk has behind it. */
const HEAD = 64 * 1024;

/** Bit of qcow2's incompatible features for an external data file (QEMU, docs/interop/qcow2). */
const EXTERNAL_DATA = 1n << 2n;

/** Bit of QED's features for a backing file (QEMU, docs/interop/qed_spec). */
const QED_BACKING = 1n;

const FLATTEN = 'flatten it where it was made: qemu-img convert -O qcow2';
const INCOMPLETE = 'it may be incomplete; look at where it comes from';

const EMPTY = 'it is empty';
const CUT_OFF = 'its header is cut off';
const NO_SECTORS = 'no format that we know, and no raw disk: not whole sectors';
const WEB_PAGE = 'it is a web page';
const TEXT = 'it is text';

/** What to do about a file that is no disk at all; one that does not hold all of its data can be flattened. */
const HINTS: Readonly<Record<string, string>> = {
  [EMPTY]: INCOMPLETE,
  [CUT_OFF]: INCOMPLETE,
  [NO_SECTORS]: INCOMPLETE,
  [WEB_PAGE]: 'open its address in a browser: it may ask for a login, or be another one',
  [TEXT]: 'look at what is in it, and at where it comes from',
};

/**
 * Tells a disk's format by its bytes, and refuses what is no disk and what names other files: QEMU would open those,
 * wherever on the host they are. We look before any program of QEMU does.
 */
export async function identifyDisk(path: string, shown: string): Promise<DiskFormat> {
  const { size, head, tail } = await readEnds(path, shown);
  const refuse = (why: string): TransientError => notUsable(shown, why, HINTS[why] ?? FLATTEN);
  if (size === 0) throw refuse(EMPTY);
  const foreign = foreignDisk(head, tail);
  if (foreign !== undefined) throw notUsable(shown, foreign.what, foreign.hint);
  const format = formatOf(head, tail);
  const encrypted = format === 'qcow2' ? encryptedQcow2(head) : undefined;
  if (encrypted !== undefined) throw notUsable(shown, encrypted.what, encrypted.hint);
  const other = otherFile(format, head);
  if (other !== undefined) throw refuse(other);
  if (format !== 'raw') return format;
  if (isText(head)) throw refuse(textKind(head));
  if (size % SECTOR !== 0) throw refuse(NO_SECTORS);
  return format;
}

interface Ends {
  readonly size: number;
  readonly head: Buffer;
  readonly tail: Buffer;
}

async function readEnds(path: string, shown: string): Promise<Ends> {
  try {
    await using file = await open(path, 'r');
    const found = await file.stat();
    const size = found.isBlockDevice() ? await blockDeviceSize(found.rdev, path) : found.size;
    const head = await file.read(Buffer.alloc(HEAD), 0, HEAD, 0);
    const tail = await file.read(Buffer.alloc(SECTOR), 0, SECTOR, Math.max(0, size - SECTOR));
    return {
      size,
      head: head.buffer.subarray(0, head.bytesRead),
      tail: tail.buffer.subarray(0, tail.bytesRead),
    };
  } catch (cause) {
    throw new TransientError(
      { reason: 'unreadable', message: `cannot read the image file ${shown}: ${systemMessage(cause)}` },
      { cause },
    );
  }
}

/** The magic numbers that QEMU itself goes by (QEMU, block/*.c). */
function formatOf(head: Buffer, tail: Buffer): DiskFormat {
  if (head.length >= 8 && head.readUInt32BE(0) === 0x514649fb && head.readUInt32BE(4) >= 2) return 'qcow2';
  if (startsWith(head, 'KDMV') || startsWith(head, 'COWD')) return 'vmdk';
  if (startsWith(head, 'vhdxfile')) return 'vhdx';
  if (startsWith(head, 'conectix') || startsWith(tail, 'conectix')) return 'vpc';
  if (startsWith(head, 'QED\0')) return 'qed';
  if (head.length >= 0x44 && head.readUInt32LE(0x40) === 0xbeda107f) return 'vdi';
  return 'raw';
}

function startsWith(bytes: Buffer, magic: string): boolean {
  return bytes.toString('latin1', 0, magic.length) === magic;
}

/** What a header says of another file that belongs to the disk, in words. */
function otherFile(format: DiskFormat, head: Buffer): string | undefined {
  if (format === 'qcow2') return otherFileOfQcow2(head);
  if (format === 'qed' && head.length >= 24 && (head.readBigUInt64LE(16) & QED_BACKING) !== 0n) {
    return 'it refers to another file (a backing file)';
  }
  if (format === 'vmdk') return otherFileOfVmdk(head);
  return undefined;
}

function otherFileOfQcow2(head: Buffer): string | undefined {
  if (head.length < 72) return CUT_OFF;
  const offset = Number(head.readBigUInt64BE(8));
  const length = head.readUInt32BE(16);
  if (offset !== 0) {
    const name =
      offset + length <= head.length ? head.toString('utf8', offset, offset + length) : 'a backing file';
    return `it refers to another file (${printable(name)})`;
  }
  const version = head.readUInt32BE(4);
  if (version < 3) return undefined;
  if (head.length < 104) return CUT_OFF;
  return (head.readBigUInt64BE(72) & EXTERNAL_DATA) === 0n
    ? undefined
    : 'it keeps its data in another file (an external data file)';
}

/** Where a sparse vmdk has its descriptor, and how much of it QEMU reads for a parent (QEMU, block/vmdk.c). */
const VMDK_DESCRIPTOR = 0x200;
const VMDK_DESCRIPTOR_SIZE = 20 * SECTOR;

/**
 * Only a sparse vmdk that holds its own data is taken: one without a capacity is a list of other files to QEMU,
 * which reads that list far more freely than we could check it.
 */
function otherFileOfVmdk(head: Buffer): string | undefined {
  if (!startsWith(head, 'KDMV') || head.length < VMDK_DESCRIPTOR)
    return 'it is no vmdk of a kind that holds its own data';
  if (head.readBigUInt64LE(12) === 0n) return 'its data is in other files';
  const end = VMDK_DESCRIPTOR + VMDK_DESCRIPTOR_SIZE;
  const descriptor = head.toString('latin1', 0, end);
  const parents = descriptor.split('parentFileNameHint').slice(1);
  return parents.every((rest) => rest.startsWith('=""')) ? undefined : 'it refers to another file (a parent)';
}

function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200);
}

function isText(bytes: Buffer): boolean {
  const first = bytes.subarray(0, SECTOR);
  return first.every(
    (byte) => (byte >= 0x20 && byte !== 0x7f) || byte === 0x09 || byte === 0x0a || byte === 0x0d,
  );
}

function textKind(head: Buffer): string {
  const text = head.toString('latin1').trimStart();
  return /^<(!doctype|html|\?xml)/i.test(text) ? WEB_PAGE : TEXT;
}

/** The error for what cannot be the disk of a VM. */
export function notUsable(
  shown: string,
  why: string,
  hint?: string,
  details?: readonly string[],
): TransientError {
  return new TransientError({
    reason: 'image',
    message: `${shown} is not a usable disk image: ${why}`,
    ...(hint ? { hint } : {}),
    ...(details ? { details } : {}),
  });
}
