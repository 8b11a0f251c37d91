import { crc32 } from 'node:zlib';

/** A linear logical volume, in units of {@link EXTENT}. */
export interface Volume {
  readonly name: string;
  readonly extents: number;
}

/** Bytes of one extent. */
export const EXTENT = 4 << 20;

const SECTOR = 512;
/** Where the metadata lie, and how much room they have. */
const AREA = { offset: 4096, size: (1 << 20) - 4096 };
/** Where the first extent begins. */
const DATA = 1 << 20;

/** Where each volume begins in bytes, and how large the disk is that has them all. */
export function placesOf(volumes: readonly Volume[]): { offsets: number[]; size: number } {
  const firsts = firstExtents(volumes);
  return { offsets: firsts.map((first) => DATA + first * EXTENT), size: DATA + total(volumes) * EXTENT };
}

/**
 * Beginning of a disk that is one volume group: LVM2's label and text metadata (lvm2, lib/format_text/layout.h),
 * which otherwise only root can write.
 */
export function volumeGroup(name: string, volumes: readonly Volume[]): Buffer {
  const head = Buffer.alloc(DATA);
  label(total(volumes)).copy(head, SECTOR);
  const text = Buffer.from(`${metadata(name, volumes)}\0`);
  areaHeader(text).copy(head, AREA.offset);
  text.copy(head, AREA.offset + SECTOR);
  return head;
}

/** The sector that says what the disk is, and where its data and its metadata lie. */
function label(extents: number): Buffer {
  const sector = Buffer.alloc(SECTOR);
  sector.write('LABELONE');
  sector.writeBigUInt64LE(1n, 8);
  sector.writeUInt32LE(32, 20);
  sector.write('LVM2 001', 24);
  sector.write(identity('disk').replaceAll('-', ''), 32);
  // the last is the version of an extension, and that the disk is in use
  const numbers = [DATA + extents * EXTENT, DATA, 0, 0, 0, AREA.offset, AREA.size, 0, 0, 2 + 2 ** 32];
  numbers.forEach((number, index) => sector.writeBigUInt64LE(BigInt(number), 64 + index * 8));
  sector.writeUInt32LE(sum(sector.subarray(20)), 16);
  return sector;
}

function areaHeader(text: Buffer): Buffer {
  const header = Buffer.alloc(SECTOR);
  header.write(' LVM2 x[5A%r0N*>', 4);
  header.writeUInt32LE(1, 20);
  const numbers = [AREA.offset, AREA.size, SECTOR, text.length];
  numbers.forEach((number, index) => header.writeBigUInt64LE(BigInt(number), 24 + index * 8));
  header.writeUInt32LE(sum(text), 56);
  header.writeUInt32LE(sum(header.subarray(4)), 0);
  return header;
}

function metadata(name: string, volumes: readonly Volume[]): string {
  const firsts = firstExtents(volumes);
  const logical = volumes.map(
    ({ name: volume, extents }, index) => `${volume} {
id = "${identity(volume)}"
status = ["READ", "WRITE", "VISIBLE"]
segment_count = 1
segment1 {
start_extent = 0
extent_count = ${extents}
type = "striped"
stripe_count = 1
stripes = ["pv0", ${firsts[index] ?? 0}]
}
}`,
  );
  return `${name} {
id = "${identity(name)}"
seqno = 1
format = "lvm2"
status = ["RESIZEABLE", "READ", "WRITE"]
extent_size = ${EXTENT / SECTOR}
max_lv = 0
max_pv = 0
physical_volumes {
pv0 {
id = "${identity('disk')}"
device = "unknown"
status = ["ALLOCATABLE"]
dev_size = ${(DATA + total(volumes) * EXTENT) / SECTOR}
pe_start = ${DATA / SECTOR}
pe_count = ${total(volumes)}
}
}
logical_volumes {
${logical.join('\n')}
}
}
contents = "Text Format Volume Group"
version = 1
`;
}

function firstExtents(volumes: readonly Volume[]): number[] {
  return volumes.map((_volume, index) => total(volumes.slice(0, index)));
}

function total(volumes: readonly Volume[]): number {
  return volumes.reduce((sum, { extents }) => sum + extents, 0);
}

/** 32 letters in LVM's groups, the same for the same name. */
function identity(name: string): string {
  return name.padEnd(32, '0').replace(/^(.{6})(.{4})(.{4})(.{4})(.{4})(.{4})(.{6})$/, '$1-$2-$3-$4-$5-$6-$7');
}

/** LVM's checksum is that of zlib with another beginning and without the inversions. */
function sum(bytes: Buffer): number {
  const BEGIN = 0xf597a6cf;
  return ~crc32(bytes, ~BEGIN >>> 0) >>> 0;
}
