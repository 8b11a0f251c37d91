import { open } from 'node:fs/promises';
import { TransientError, systemMessage } from '../problem.ts';
import { encryptedQcow2, foreignDisk } from './foreign-disks.ts';
import { blockDeviceSize } from './source-file.ts';

/** Supported disk formats, by qemu-img's names. */
export type DiskFormat = 'qcow2' | 'raw' | 'vmdk' | 'vdi' | 'vhdx' | 'vpc' | 'qed';

const SECTOR = 512;
/** Number of leading bytes to examine: a header, and the descriptor that follows it in a vmdk. */
const HEAD = 64 * 1024;

/** Bit of qcow2's incompatible features for an external data file (QEMU, docs/interop/qcow2). */
const EXTERNAL_DATA = 1n << 2n;

/** Bit of QED's features for a backing file (QEMU, docs/interop/qed_spec). */
const QED_BACKING = 1n;

const FLATTEN = 'flatten it on the machine where it was created: qemu-img convert -O qcow2';
const INCOMPLETE = 'it may be incomplete; check its source';

const EMPTY = 'it is empty';
const CUT_OFF = 'its header is truncated';
const NO_SECTORS = 'unknown format, and not a raw disk: its size is not a multiple of 512 bytes';
const WEB_PAGE = 'it is a web page';
const TEXT = 'it is text';

/** Hints for files that are not disks at all; a disk that depends on other files can be flattened instead. */
const HINTS: Readonly<Record<string, string>> = {
  [EMPTY]: INCOMPLETE,
  [CUT_OFF]: INCOMPLETE,
  [NO_SECTORS]: INCOMPLETE,
  [WEB_PAGE]: 'open the URL in a browser: it may require a login, or have moved',
  [TEXT]: 'check its content and its source',
};

/**
 * Detects a disk's format from its bytes. Rejects files that are not disks and disks that reference other files, which
 * QEMU would open anywhere on the host. Runs before any QEMU program touches the file.
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

/** Detects the format by the magic numbers that QEMU itself uses (QEMU, block/*.c). */
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

/** Describes the other file that a disk's header references, if any. */
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

/** Offset of a sparse vmdk's descriptor, and how much of it QEMU reads to find a parent (QEMU, block/vmdk.c). */
const VMDK_DESCRIPTOR = 0x200;
const VMDK_DESCRIPTOR_SIZE = 20 * SECTOR;

/**
 * Accepts only a sparse vmdk that holds its own data. QEMU reads one without a capacity as a list of other files, and
 * far more leniently than could be checked here.
 */
function otherFileOfVmdk(head: Buffer): string | undefined {
  if (!startsWith(head, 'KDMV') || head.length < VMDK_DESCRIPTOR)
    return 'this kind of VMDK does not hold its own data';
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

/** Error for a file that cannot be used as a VM disk. */
export function notUsable(
  shown: string,
  why: string,
  hint?: string,
  details?: readonly string[],
): TransientError {
  return new TransientError({
    reason: 'image',
    message: `${shown} is not a usable disk image: ${why}`,
    hint,
    details,
  });
}
