/** A file of an initramfs. */
export interface CpioEntry {
  readonly path: string;
  /** File type and permissions, as in `stat`. */
  readonly mode: number;
  readonly bytes: Buffer;
}

export const DIRECTORY = 0o040755;
export const PROGRAM = 0o100755;
export const FILE = 0o100644;
export const LINK = 0o120777;

/** Creates a `newc` archive, which Linux unpacks as its initial root (Linux, early-userspace/buffer-format). */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const numbered = entries.map((entry, index) => record(entry, index + 1));
  return Buffer.concat([...numbered, record({ path: 'TRAILER!!!', mode: 0, bytes: Buffer.alloc(0) }, 0)]);
}

function record({ path, mode, bytes }: CpioEntry, inode: number): Buffer {
  const name = Buffer.from(`${path}\0`);
  // inode, mode, uid, gid, links, mtime, size, four numbers of devices, length of the name, check
  const fields = [inode, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length, 0];
  const head = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return Buffer.concat([padded(Buffer.concat([Buffer.from(head), name])), padded(bytes)]);
}

/** Pads to a multiple of four bytes. */
function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
