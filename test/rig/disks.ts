import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

export type DiskFormat = 'qcow2' | 'raw' | 'vmdk' | 'vdi' | 'vhdx' | 'vpc';
export type Compression = 'gzip' | 'bzip2' | 'xz' | 'zstd';

/** Virtual size in bytes. */
export const DISK_SIZE = 2 * 1024 * 1024;
const DATA = 96 * 1024;

/** Content of the disk with this number: data at both ends, a hole between. */
export function guestBytes(number = 1): Buffer {
  const bytes = Buffer.alloc(DISK_SIZE);
  noise(number).copy(bytes);
  noise(number + 1000).copy(bytes, DISK_SIZE - DATA);
  // what a boot sector begins and ends with
  bytes.set([0xfa, 0x33, 0xc0], 0);
  bytes.set([0x55, 0xaa], 510);
  return bytes;
}

/** The disk with this number in some format; `options` are qemu-img's. */
export function disk(format: DiskFormat, number = 1, options?: string): Buffer {
  if (format === 'raw') return guestBytes(number);
  return inDirectory((directory) => {
    const [raw, qcow2] = [join(directory, 'raw'), join(directory, 'made')];
    writeFileSync(raw, guestBytes(number));
    const extra = options === undefined ? [] : ['-o', options];
    execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', format, ...extra, raw, qcow2]);
    return readFileSync(qcow2);
  });
}

/** Whether an image file is a qcow2 that shows a guest the disk with this number. */
export function holds(path: string, number = 1): boolean {
  return inDirectory((directory) => {
    const raw = join(directory, 'raw');
    execFileSync('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', path, raw]);
    const found = readFileSync(raw);
    // some formats round the size up
    const same = found.subarray(0, DISK_SIZE).equals(guestBytes(number));
    return same && found.subarray(DISK_SIZE).every((byte) => byte === 0);
  });
}

/** Bytes in compressed form; `options` are the program's. */
export function compressed(bytes: Buffer, by: Compression, ...options: readonly string[]): Buffer {
  if (by === 'gzip') return gzipSync(bytes);
  return execFileSync(by, ['-c', ...options], { input: bytes, maxBuffer: 2 ** 30 });
}

/** Numbers that look random and are always the same; they do not compress. */
function noise(seed: number): Buffer {
  const words = new Uint32Array(DATA / 4);
  let state = seed * 2_654_435_761 + 1;
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
  return Buffer.from(words.buffer);
}

function inDirectory<T>(work: (directory: string) => T): T {
  const directory = mkdtempSync('/tmp/tr-disk-');
  try {
    return work(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
