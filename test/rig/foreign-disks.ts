import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { disk } from './disks.ts';
import { vmdkDescriptor } from './evil-disks.ts';

/** Files by their names that hold a disk which we do not take, each with a part of what is to be told of it. */
export const FOREIGN_DISKS: Readonly<Record<string, { make: () => Buffer; message: string }>> = {
  'flat.vmdk': { make: () => sectors(vmdkDescriptor('base-flat.vmdk')), message: 'the descriptor of a VMDK' },
  'sealed.qcow2': { make: encryptedQcow2, message: 'it is encrypted' },
  'locked.img': { make: () => sectors('LUKS\xba\xbe\0\x01'), message: 'it is encrypted (LUKS)' },
  'parallels.hdd': { make: () => image('parallels'), message: 'a Parallels disk' },
  'first.qcow': { make: () => image('qcow'), message: 'qcow (version 1) disk' },
  'bochs.img': { make: () => sectors('Bochs Virtual HD Image\0'), message: 'a Bochs disk' },
  'live.cloop': {
    make: () => sectors('#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r\n'),
    message: '(cloop)',
  },
  'mac.dmg': { make: () => Buffer.concat([Buffer.alloc(1024, 1), sectors('koly')]), message: '(dmg)' },
  'phone.simg': { make: () => sectors('\x3a\xff\x26\xed'), message: 'an Android sparse image' },
  'zipped.zip': { make: () => sectors('PK\x03\x04'), message: 'a ZIP archive' },
  'seven.7z': { make: () => sectors('7z\xbc\xaf\x27\x1c'), message: 'a 7z archive' },
  'packed.rar': { make: () => sectors('Rar!\x1a\x07\x00'), message: 'a RAR archive' },
  'quick.lz4': { make: () => sectors('\x04\x22\x4d\x18'), message: 'compressed with lz4' },
  'small.lz': { make: () => sectors('LZIP\x01'), message: 'compressed with lzip' },
  'install.wim': { make: () => sectors('MSWIM\0\0\0'), message: '(WIM)' },
  'clone.img': { make: () => sectors('partclone-image'), message: 'partclone' },
};

/** Whole sectors, as a raw disk has them. */
function sectors(text: string): Buffer {
  const bytes = Buffer.alloc(Math.ceil(text.length / 512) * 512);
  bytes.write(text, 'latin1');
  return bytes;
}

/** qemu-img makes a real one only with a clock that its key derivation trusts, which shared processors do not offer. */
function encryptedQcow2(): Buffer {
  const LUKS = 2;
  const bytes = disk('qcow2');
  bytes.writeUInt32BE(LUKS, 32);
  return bytes;
}

function image(format: string): Buffer {
  const directory = mkdtempSync('/tmp/tr-disk-');
  const path = join(directory, 'made');
  try {
    execFileSync('qemu-img', ['create', '-q', '-f', format, path, '1M']);
    return readFileSync(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
