/** What a file is that no VM can run from as it is, and what to do about it. */
export interface ForeignDisk {
  readonly what: string;
  readonly hint: string;
}

interface Kind extends ForeignDisk {
  /** What it begins with; in the last sector of the file where `atEnd` says so. */
  readonly magic: readonly (string | Buffer)[];
  readonly atEnd?: boolean;
}

const FLATTEN = 'flatten it where it was made: qemu-img convert -O qcow2';
const DECRYPT = 'decrypt it where its key is: qemu-img convert --image-opts -O qcow2';

/** The magic numbers of QEMU (block/*.c) for disks that we do not take, and of what else is called an image. */
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
    what: 'it is a disk of the first qcow format',
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
    hint: 'make a raw disk of it: simg2img FILE disk.img',
    magic: [Buffer.from('3aff26ed', 'hex')],
  },
  {
    what: 'it is a backup by partclone',
    hint: 'restore it to a raw disk: partclone.restore',
    magic: ['partclone-image'],
  },
  {
    what: 'it is an installation image of Windows (WIM)',
    hint: 'install it in a VM, and name the disk of that',
    magic: ['MSWIM\0\0\0'],
  },
  archive('a ZIP archive', 'PK\x03\x04'),
  archive('a 7z archive', Buffer.from('377abcaf271c', 'hex')),
  archive('a RAR archive', 'Rar!\x1a\x07'),
  archive('compressed by lz4', Buffer.from('04224d18', 'hex')),
  archive('compressed by lzip', 'LZIP\x01'),
];

function converting(format: string): string {
  return `convert it: qemu-img convert -f ${format} -O qcow2 FILE disk.qcow2`;
}

function archive(what: string, magic: string | Buffer): Kind {
  return { what: `it is ${what}`, hint: 'unpack it and name its disk: NAME,file=PATH', magic: [magic] };
}

/** What a file is by its first bytes and its last sector, where that is known and no disk of ours. */
export function foreignDisk(head: Buffer, tail: Buffer): ForeignDisk | undefined {
  const begins = (bytes: Buffer, magic: string | Buffer): boolean => {
    const wanted = typeof magic === 'string' ? Buffer.from(magic, 'latin1') : magic;
    return bytes.subarray(0, wanted.length).equals(wanted);
  };
  return KINDS.find(({ magic, atEnd }) => magic.some((one) => begins(atEnd === true ? tail : head, one)));
}

/** Where the header of a qcow2 tells its encryption: 1 for AES, 2 for LUKS (QEMU, docs/interop/qcow2). */
const CRYPT_METHOD = 32;

/** The encryption of a qcow2, which takes a key that nobody can say here. */
export function encryptedQcow2(head: Buffer): ForeignDisk | undefined {
  if (head.length < CRYPT_METHOD + 4 || head.readUInt32BE(CRYPT_METHOD) === 0) return undefined;
  return { what: 'it is encrypted', hint: DECRYPT };
}
