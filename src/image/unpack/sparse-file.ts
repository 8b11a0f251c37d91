import { open } from 'node:fs/promises';
import type { Space } from '../../host/space.ts';

/** Size of the blocks that become holes if they are all zero, in bytes; at least a filesystem block. */
const BLOCK = 64 * 1024;

/** Size of one write, in bytes. */
const WRITE = 1 << 20;

const ZEROS = Buffer.alloc(BLOCK);

/** Writes bytes to a new file and leaves blocks of zeros out as holes. */
export async function writeSparse(bytes: AsyncIterable<Buffer>, path: string, space: Space): Promise<void> {
  await using file = await open(path, 'w', 0o600);
  let position = 0;
  for await (const chunk of gathered(bytes)) {
    space.claim(chunk.length);
    for (const { offset, data } of dataIn(chunk, position)) await file.write(data, 0, data.length, offset);
    position += chunk.length;
  }
  await file.truncate(position);
}

/** Joins small chunks, as pipes deliver them, since each write has a fixed cost. */
async function* gathered(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    chunks.push(chunk);
    size += chunk.length;
    if (size < WRITE) continue;
    yield Buffer.concat(chunks, size);
    chunks = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(chunks, size);
}

/** Yields the extents of a chunk that are not holes; adjacent blocks of data form one extent. */
function* dataIn(chunk: Buffer, position: number): Generator<{ offset: number; data: Buffer }> {
  let begin = 0;
  let at = 0;
  while (at < chunk.length) {
    const end = Math.min(chunk.length, at + BLOCK - ((position + at) % BLOCK));
    if (isHole(chunk.subarray(at, end))) {
      if (at > begin) yield { offset: position + begin, data: chunk.subarray(begin, at) };
      begin = end;
    }
    at = end;
  }
  if (at > begin) yield { offset: position + begin, data: chunk.subarray(begin, at) };
}

function isHole(block: Buffer): boolean {
  return block.compare(ZEROS, 0, block.length) === 0;
}
