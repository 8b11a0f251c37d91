import { join } from 'node:path';
import { Readable, pipeline } from 'node:stream';
import type { Header } from 'tar-stream';
import { extract } from 'tar-stream';
import * as z from 'zod';
import { isSystemError, TransientError } from '../../problem.ts';
import { fromPaxSparse, isOldGnu, withPlainFiles } from './holes.ts';
import { Source } from './source.ts';
import type { Space } from '../../host/space.ts';
import { writeSparse } from './sparse-file.ts';

/** A disk that was taken out of a box: its name in the box, and the file it was written to. */
export interface BoxDisk {
  readonly name: string;
  readonly path: string;
}

/** What we read of a box's `metadata.json` (vagrant-libvirt, box format 2). */
const metadataSchema = z.object({ disks: z.array(z.object({ path: z.string() })).optional() });

/** Largest `metadata.json` that is read, in bytes. */
const METADATA_LIMIT = 1 << 20;

/** Most files of a box that are looked at. */
const MOST_ENTRIES = 10_000;

const DISK_NAME = /\.(img|qcow2|raw|vmdk|vdi|vhdx)$/i;

/** Archives of the oldest form have no magic; the types do not know the option. */
const options = { allowUnknownFormat: true } as Parameters<typeof extract>[0];

/** Whether bytes begin a tar archive: the checksum of its first header, over the header with blanks in its place. */
export function isTar(head: Buffer): boolean {
  if (head.length < 512) return false;
  const said = Number.parseInt(head.toString('latin1', 148, 156), 8);
  const sum = head
    .subarray(0, 512)
    .reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  return sum === said;
}

/**
 * Takes the disks out of a box while it comes in. Nothing else of it is written, and every disk under a name of our
 * own; an entry that would lead elsewhere is refused all the same, since an honest box has none.
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
  const source = new Source(bytes);
  const plain = isOldGnu(head) ? withPlainFiles(source.bytes()) : source.bytes();
  pipeline(Readable.from(plain), tar, () => undefined);
  try {
    for await (const entry of tar) {
      const content = plainContent(entry.header, entry as AsyncIterable<Buffer>);
      if (++entries > MOST_ENTRIES) throw unusable(`it holds more than ${MOST_ENTRIES} files`);
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
      `its archive is broken (${wordsOf(cause)})`,
      cause,
      'it may be incomplete; look at where it comes from',
    );
  }
  return chosen(written, namesIn(metadata));
}

/** What tar-stream says of an archive that is cut off depends on who is quicker. */
function wordsOf(cause: unknown): string {
  const said = cause instanceof Error ? cause.message : String(cause);
  return /unexpected end|destroyed|premature/i.test(said) ? 'it ends too early' : said;
}

/** The disks that the metadata names, in its order; where it names none, the one called box.img. */
function chosen(written: readonly BoxDisk[], named: readonly string[]): BoxDisk[] {
  if (named.length > 0) {
    return named.map((name) => {
      const disk = written.find((one) => one.name === name);
      if (disk === undefined) throw unusable(`its metadata names a disk "${name}", which it does not hold`);
      return disk;
    });
  }
  const disk = written.find(({ name }) => /(^|\/)box\.img$/.test(name));
  if (disk === undefined) throw unusable('it holds no disk: neither box.img nor one that its metadata names');
  return [disk];
}

/** The records of an entry's PAX header that tell of holes (GNU tar, "PAX Format, Version 1.0"). */
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
    throw unusable(`its entry "${name}" is stored in a form that we cannot read`, undefined, REPACK);
  }
  if (type !== 'file' && type !== 'directory') throw unusable(`its entry "${name}" is a ${type}`);
  if (name.startsWith('/') || name.split('/').includes('..'))
    throw unusable(`its entry "${name}" leads out of it`);
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

const REPACK = 'pack it anew without tar --sparse, or unpack it and name its disk: NAME,file=PATH';

const UNPACK = 'if you trust it, unpack it and name its disk: NAME,file=PATH';

function unusable(why: string, cause?: unknown, hint = UNPACK): TransientError {
  const message = `the box is not usable: ${why}`;
  return new TransientError({ reason: 'image', message, hint }, { cause });
}
