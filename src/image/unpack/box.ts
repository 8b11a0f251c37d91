import { join } from 'node:path';
import { Readable, pipeline } from 'node:stream';
import type { Header } from 'tar-stream';
import { extract } from 'tar-stream';
import * as z from 'zod';
import { isSystemError, TransientError } from '../../problem.ts';
import { fromPaxSparse, isOldGnu, withPlainFiles } from './holes.ts';
import { ByteSource } from './source.ts';
import type { Space } from '../../host/space.ts';
import { writeSparse } from './sparse-file.ts';

/** A disk unpacked from a box: its name in the box, and the file it was written to. */
export interface BoxDisk {
  readonly name: string;
  readonly path: string;
}

/** The fields of a box's `metadata.json` that are used (vagrant-libvirt, box format 2). */
const metadataSchema = z.object({ disks: z.array(z.object({ path: z.string() })).optional() });

/** Maximum size of `metadata.json`, in bytes. */
const METADATA_LIMIT = 1 << 20;

/** Maximum number of archive entries. */
const MOST_ENTRIES = 10_000;

const DISK_NAME = /\.(img|qcow2|raw|vmdk|vdi|vhdx)$/i;

/** The oldest tar format has no magic number; the types lack this option. */
const options = { allowUnknownFormat: true } as Parameters<typeof extract>[0];

/**
 * Whether the bytes are the beginning of a tar archive, by the checksum of the first header, computed with blanks in
 * its own field.
 */
export function isTar(head: Buffer): boolean {
  if (head.length < 512) return false;
  const checksum = Number.parseInt(head.toString('latin1', 148, 156), 8);
  const sum = head
    .subarray(0, 512)
    .reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  return sum === checksum;
}

/**
 * Unpacks the disks of a box while it is read. Other entries are not written, and each disk gets a file name chosen
 * here; entries with paths that lead outside are rejected nevertheless, since an honest box has none.
 */
export async function unpackBox(
  bytes: AsyncIterable<Buffer>,
  head: Buffer,
  directory: string,
  space: Space,
): Promise<BoxDisk[]> {
  const written: BoxDisk[] = [];
  let metadata: string | undefined;
  let entries = 0;
  const tar = extract(options);
  const source = new ByteSource(bytes);
  const plain = isOldGnu(head) ? withPlainFiles(source.bytes()) : source.bytes();
  pipeline(Readable.from(plain), tar, () => undefined);
  try {
    for await (const entry of tar) {
      const content = plainContent(entry.header, entry as AsyncIterable<Buffer>);
      if (++entries > MOST_ENTRIES) throw unusable(`it contains more than ${MOST_ENTRIES} files`);
      const name = checkedName(entry.header);
      if (entry.header.type === 'file' && name === 'metadata.json') {
        metadata = await readText(content);
      } else if (entry.header.type === 'file' && (DISK_NAME.test(name) || namesIn(metadata).includes(name))) {
        const path = join(directory, `disk-${written.length}`);
        await writeSparse(content, path, space);
        written.push({ name, path });
      } else entry.resume();
    }
  } catch (cause) {
    if (source.failed || cause instanceof TransientError || isSystemError(cause)) throw cause;
    throw unusable(
      `its archive is corrupt (${reasonOf(cause)})`,
      cause,
      'it may be incomplete; check its source',
    );
  }
  return chosen(written, namesIn(metadata));
}

/** Normalizes tar-stream's messages for a truncated archive, which depend on timing. */
function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return /unexpected end|destroyed|premature/i.test(text) ? 'unexpected end of file' : text;
}

/** Selects the disks named in the metadata, in that order, or the one called box.img if it names none. */
function chosen(written: readonly BoxDisk[], named: readonly string[]): BoxDisk[] {
  if (named.length > 0) {
    return named.map((name) => {
      const disk = written.find((one) => one.name === name);
      if (disk === undefined)
        throw unusable(`its metadata names a disk "${name}", which it does not contain`);
      return disk;
    });
  }
  const disk = written.find(({ name }) => /(^|\/)box\.img$/.test(name));
  if (disk === undefined)
    throw unusable('it contains no disk: neither box.img nor one named in its metadata');
  return [disk];
}

/** PAX records of an entry that describe holes (GNU tar, "PAX Format, Version 1.0"). */
function sparseFacts({ pax }: Header): { name?: string; size?: number } | undefined {
  const records = (pax ?? {}) as Readonly<Record<string, string | undefined>>;
  if (!Object.keys(records).some((key) => key.startsWith('GNU.sparse.'))) return undefined;
  const { 'GNU.sparse.major': major, 'GNU.sparse.name': name, 'GNU.sparse.realsize': size } = records;
  return major === '1' && name && size ? { name, size: Number(size) } : {};
}

function plainContent(header: Header, content: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const size = sparseFacts(header)?.size;
  return size === undefined ? content : fromPaxSparse(content, size);
}

function checkedName(header: Header): string {
  const { type } = header;
  const sparse = sparseFacts(header);
  const name = sparse?.name ?? header.name;
  if ((type as string | null) === null || (sparse && sparse.name === undefined)) {
    throw unusable(`its entry "${name}" uses an unsupported storage format`, undefined, REPACK);
  }
  if (type !== 'file' && type !== 'directory') throw unusable(`its entry "${name}" is a ${type}`);
  if (name.startsWith('/') || name.split('/').includes('..'))
    throw unusable(`its entry "${name}" points outside the box`);
  return name.replace(/^(\.\/)+/, '');
}

async function readText(entry: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of entry) {
    size += chunk.length;
    if (size > METADATA_LIMIT) throw unusable('its metadata.json is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function namesIn(metadata: string | undefined): string[] {
  if (metadata === undefined) return [];
  try {
    const parsed = metadataSchema.safeParse(JSON.parse(metadata));
    return (parsed.data?.disks ?? []).map(({ path }) => path.replace(/^(\.\/)+/, ''));
  } catch {
    return [];
  }
}

const REPACK = 'repack it without tar --sparse, or unpack it and use its disk: NAME,file=PATH';

const UNPACK = 'if you trust it, unpack it and use its disk: NAME,file=PATH';

function unusable(why: string, cause?: unknown, hint = UNPACK): TransientError {
  const message = `the box cannot be used: ${why}`;
  return new TransientError({ reason: 'image', message, hint }, { cause });
}
