import { TransientError } from '../../problem.ts';
import { ByteReader } from './byte-reader.ts';

// Files stored sparsely by tar (`tar --sparse`, as in boxes of vagrant-libvirt). tar-stream supports neither of the two
// formats. GNU tar, "Storing Sparse Files" and src/tar.h.

const BLOCK = 512;
const ZEROS = Buffer.alloc(1 << 20);

/** Limits that no honest archive exceeds: number of extents and digits of a number. */
const MOST_STRETCHES = 1_000_000;
const MOST_DIGITS = 20;

/** An extent of data in a file, in bytes; the gaps between extents are zeros. */
interface Stretch {
  readonly offset: number;
  readonly size: number;
}

/** Whether an archive uses the old GNU format, in which sparse files have a type of their own. */
export function isOldGnu(head: Buffer): boolean {
  return head.toString('latin1', 257, 264) === 'ustar  ';
}

/** Rewrites an archive in the old GNU format so that its sparse files become ordinary ones. */
export async function* withPlainFiles(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const reader = new ByteReader(bytes);
  try {
    for (;;) {
      const header = await reader.take(BLOCK);
      if (header.length === 0) return;
      const stored = numberAt(header, 124);
      if (String.fromCharCode(header[156] ?? 0) === 'S') yield* plainFile(header, stored, reader);
      else {
        yield header;
        yield* reader.pass(padded(stored));
      }
    }
  } finally {
    await reader.close();
  }
}

/**
 * Expands one sparse file: its map starts in the header at byte 386 and continues in the following blocks while the
 * flag at byte 482 (504 in those) is set.
 */
async function* plainFile(header: Buffer, stored: number, reader: ByteReader): AsyncGenerator<Buffer> {
  const map = stretchesAt(header, 386, 4);
  let more = header[482] === 1;
  while (more) {
    const block = await reader.take(BLOCK);
    map.push(...stretchesAt(block, 0, 21));
    if (block.length < BLOCK || map.length > MOST_STRETCHES) throw broken();
    more = block[504] === 1;
  }
  const size = numberAt(header, 483);
  yield plainHeader(header, size);
  yield* expanded(map, size, reader);
  await reader.take(padded(stored) - stored);
  yield ZEROS.subarray(0, padded(size) - size);
}

/** Turns a sparse header into that of an ordinary file; only its beginning and the checksum change. */
function plainHeader(sparse: Buffer, size: number): Buffer {
  const header = Buffer.from(sparse);
  header.fill(0, 345);
  header.write('0', 156, 'latin1');
  // numbers that do not fit the octal digits are stored in base 256, marked by the highest bit
  header.writeUInt32BE(0x80000000, 124);
  header.writeBigUInt64BE(BigInt(size), 128);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

function stretchesAt(block: Buffer, start: number, count: number): Stretch[] {
  const all = Array.from({ length: count }, (_none, index) => start + index * 24);
  return all.flatMap((at) => {
    const stretch = { offset: numberAt(block, at), size: numberAt(block, at + 12) };
    return block[at] === 0 || block[at] === undefined ? [] : [stretch];
  });
}

/** Reads a number from a header: octal digits, or base 256 if the highest bit is set. */
function numberAt(block: Buffer, at: number): number {
  if (((block[at] ?? 0) & 0x80) !== 0) return Number(block.readBigUInt64BE(at + 4));
  const digits = /^[0-7]*/.exec(block.toString('latin1', at, at + 12).trimStart())?.[0] ?? '';
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

/**
 * Expands a file in PAX sparse format 1.0. Its data begins with the map: decimal numbers, one per line, a count
 * followed by that many pairs, padded to a full block.
 */
export async function* fromPaxSparse(content: AsyncIterable<Buffer>, size: number): AsyncGenerator<Buffer> {
  const reader = new ByteReader(content);
  const numbers: number[] = [];
  let text = '';
  while (numbers.length === 0 || numbers.length < 1 + 2 * (numbers[0] ?? 0)) {
    if (text.length > MOST_DIGITS || numbers.length > 2 * MOST_STRETCHES) throw broken();
    const block = await reader.take(BLOCK);
    if (block.length < BLOCK) throw broken();
    const lines = (text + block.toString('latin1')).split('\n');
    text = lines.pop() ?? '';
    numbers.push(...lines.map(Number));
  }
  const count = numbers[0] ?? 0;
  const map = Array.from({ length: count }, (_none, index) => ({
    offset: numbers[1 + 2 * index] ?? 0,
    size: numbers[2 + 2 * index] ?? 0,
  }));
  yield* expanded(map, size, reader);
  // the archive continues only after the entry was read completely, including data not covered by the map
  while ((await reader.take(ZEROS.length)).length > 0);
}

/** Yields the whole file: zeros up to each extent, then the extent from the archive. */
async function* expanded(map: readonly Stretch[], size: number, reader: ByteReader): AsyncGenerator<Buffer> {
  let at = 0;
  for (const stretch of map) {
    const end = stretch.offset + stretch.size;
    if (!Number.isSafeInteger(end) || stretch.offset < at || end > size) throw broken();
    yield* zeros(stretch.offset - at);
    yield* reader.pass(stretch.size);
    at = end;
  }
  yield* zeros(size - at);
}

function* zeros(count: number): Generator<Buffer> {
  for (let left = count; left > 0; left -= ZEROS.length)
    yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function broken(): TransientError {
  return new TransientError({
    reason: 'image',
    message: 'the box is not usable: its sparse map is corrupt',
    hint: 'it may be incomplete; check its source',
  });
}
