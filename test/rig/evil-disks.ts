import { execFileSync } from 'node:child_process';
import { disk } from './disks.ts';

const SECTOR = 512;

/** A qcow2 whose header names a backing file; qemu-img would refuse to write most of these. */
export function qcow2BackedBy(name: string): Buffer {
  const bytes = disk('qcow2');
  const text = Buffer.from(name);
  // an unused part of the first cluster, behind the header and its extensions
  const offset = 0x1000;
  text.copy(bytes, offset);
  bytes.writeBigUInt64BE(BigInt(offset), 8);
  bytes.writeUInt32BE(text.length, 16);
  return bytes;
}

/** Makes a qcow2 at a path whose data lie in another file. */
export function makeQcow2WithDataFile(path: string, dataFile: string): void {
  const options = `data_file=${dataFile},data_file_raw=on`;
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', options, path, '1M']);
}

/** The text file that a vmdk of several parts begins with; its parts are files of the host. */
export function vmdkDescriptor(extent: string): string {
  return [
    '# Disk DescriptorFile',
    'version=1',
    'CID=12345678',
    'parentCID=ffffffff',
    'createType="monolithicFlat"',
    '',
    '# Extent description',
    `RW 8 FLAT "${extent}" 0`,
    '',
    'ddb.adapterType = "ide"',
    '',
  ].join('\n');
}

/** A vmdk that looks like one in a single file, but of no size: QEMU then follows the descriptor within. */
export function vmdkHidingDescriptor(extent: string): Buffer {
  const bytes = Buffer.alloc(128 * SECTOR);
  bytes.write('KDMV', 0);
  bytes.writeUInt32LE(1, 4);
  bytes.writeUInt32LE(3, 8);
  bytes.writeBigUInt64LE(0n, 12);
  bytes.writeBigUInt64LE(128n, 20);
  bytes.writeBigUInt64LE(1n, 28);
  bytes.writeBigUInt64LE(20n, 36);
  bytes.writeUInt32LE(512, 44);
  bytes.write('\n \r\n', 73);
  bytes.write(vmdkDescriptor(extent), SECTOR);
  return bytes;
}
