/** A disk or file format that no VM can run from directly, and how to convert it. */
export interface ForeignDisk {
  readonly what: string;
  readonly hint: string;
}

interface Kind extends ForeignDisk {
  /** Magic number at the beginning, or in the last sector if `atEnd` is set. */
  readonly magic: readonly (string | Buffer)[];
  readonly atEnd?: boolean;
}

const FLATTEN = 'flatten it on the machine where it was created: qemu-img convert -O qcow2';
const DECRYPT = 'decrypt it where its key is available: qemu-img convert --image-opts -O qcow2';

/** Magic numbers (QEMU, block/*.c) of unsupported disk formats, and of other files that are called images. */
const KINDS: readonly Kind[] = [
  {
    what: 'it is the descriptor of a VMDK, whose data is in other files',
    hint: FLATTEN,
    magic: ['# Disk DescriptorFile', '#Disk DescriptorFile', '# disk DescriptorFile'],
  },
  { what: 'it is encrypted (LUKS)', hint: DECRYPT, magic: [Buffer.from('LUKS\xba\xbe', 'latin1')] },
  {
    what: 'it is a Parallels disk',
    hint: converting('parallels'),
    magic: ['WithoutFreeSpace', 'WithouFreSpacExt'],
  },
  {
    what: 'it is a qcow (version 1) disk',
    hint: converting('qcow'),
    magic: [Buffer.from('QFI\xfb\0\0\0\x01', 'latin1')],
  },
  { what: 'it is a Bochs disk', hint: converting('bochs'), magic: ['Bochs Virtual HD Image'] },
  {
    what: 'it is a compressed loop image (cloop)',
    hint: converting('cloop'),
    magic: ['#!/bin/sh\n#V2.0 Format\nmodprobe cloop'],
  },
  { what: 'it is an Apple disk image (dmg)', hint: converting('dmg'), magic: ['koly'], atEnd: true },
  {
    what: 'it is an Android sparse image',
    hint: 'convert it to a raw disk: simg2img FILE disk.img',
    magic: [Buffer.from('3aff26ed', 'hex')],
  },
  {
    what: 'it is a partclone backup',
    hint: 'restore it to a raw disk: partclone.restore',
    magic: ['partclone-image'],
  },
  {
    what: 'it is a Windows installation image (WIM)',
    hint: 'install it in a VM, and use the disk of that VM',
    magic: ['MSWIM\0\0\0'],
  },
  archive('a ZIP archive', 'PK\x03\x04'),
  archive('a 7z archive', Buffer.from('377abcaf271c', 'hex')),
  archive('a RAR archive', 'Rar!\x1a\x07'),
  archive('compressed with lz4', Buffer.from('04224d18', 'hex')),
  archive('compressed with lzip', 'LZIP\x01'),
];

function converting(format: string): string {
  return `convert it: qemu-img convert -f ${format} -O qcow2 FILE disk.qcow2`;
}

function archive(what: string, magic: string | Buffer): Kind {
  return { what: `it is ${what}`, hint: 'unpack it and use its disk: NAME,file=PATH', magic: [magic] };
}

/** Identifies a file by its first bytes and its last sector; undefined if it is unknown or a supported disk. */
export function foreignDisk(head: Buffer, tail: Buffer): ForeignDisk | undefined {
  const begins = (bytes: Buffer, magic: string | Buffer): boolean => {
    const pattern = typeof magic === 'string' ? Buffer.from(magic, 'latin1') : magic;
    return bytes.subarray(0, pattern.length).equals(pattern);
  };
  return KINDS.find(({ magic, atEnd }) => magic.some((one) => begins(atEnd === true ? tail : head, one)));
}

/** Offset of the encryption method in a qcow2 header: 1 for AES, 2 for LUKS (QEMU, docs/interop/qcow2). */
const CRYPT_METHOD = 32;

/** Detects an encrypted qcow2: there is no way to pass its key. */
export function encryptedQcow2(head: Buffer): ForeignDisk | undefined {
  if (head.length < CRYPT_METHOD + 4 || head.readUInt32BE(CRYPT_METHOD) === 0) return undefined;
  return { what: 'it is encrypted', hint: DECRYPT };
}
