import { join } from 'node:path';
import { isTar, unpackBox, type BoxDisk } from './box.ts';
import { Compression } from './compression.ts';
import { imageSpace } from './image-space.ts';
import { HEAD, peek } from './peek.ts';
import { writeSparse } from './sparse-file.ts';

/**
 * Reads a source to its end and writes the disks in it below `directory`, decompressing and unpacking a box in one
 * pass. Returns undefined if the source is not a container: it is then the disk itself if it is a file, as `isFile`
 * tells after its first bytes were read.
 */
export async function unpack(
  source: AsyncIterable<Buffer>,
  directory: string,
  isFile: () => boolean = () => true,
): Promise<BoxDisk[] | undefined> {
  const outer = await peek(source);
  const compression = Compression.of(outer.head);
  if (compression === undefined && !isTar(outer.head) && isFile()) {
    await drain(outer.bytes);
    return undefined;
  }
  const space = await imageSpace(directory);
  const disk = { name: 'disk', path: join(directory, 'disk') };
  if (compression && (await isPlainDisk(compression, outer.head))) {
    await compression.writeTo(disk.path, outer.bytes, space);
    return [disk];
  }
  const inner = compression ? await peek(compression.plain(outer.bytes)) : outer;
  if (isTar(inner.head)) return unpackBox(inner.bytes, inner.head, directory, space);
  await writeSparse(inner.bytes, disk.path, space);
  return [disk];
}

/**
 * Whether the beginning of a compressed file shows that it holds a disk and not a box, so that it can be written
 * directly.
 */
async function isPlainDisk(compression: Compression, head: Buffer): Promise<boolean> {
  if (!(await compression.writes())) return false;
  const inside = await compression.plainHead(head, HEAD);
  return inside.length >= HEAD && !isTar(inside);
}

async function drain(bytes: AsyncIterable<Buffer>): Promise<void> {
  const iterator = bytes[Symbol.asyncIterator]();
  while ((await iterator.next()).done !== true);
}
