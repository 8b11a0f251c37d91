/** Size of a logical sector in bytes (ECMA-119, 6.1.2). */
const SECTOR = 2048;

/** Sectors of the volume descriptor, of the terminator after it, and of the root directory. */
const DESCRIPTOR = 16;
const TERMINATOR = 17;
const ROOT = 18;
const FIRST_FILE = 19;

/** Maximum length of an identifier in a directory record: the record's length, in one byte, includes it. */
const LONGEST_IDENTIFIER = 255 - 34;

/** Maximum length of a volume identifier (ECMA-119, 8.4.7). */
const LONGEST_LABEL = 32;

/** Version of a file, which its identifier ends with (ECMA-119, 7.5.1). */
const VERSION = ';1';

/** 1980-01-01 00:00:00 UTC as years since 1900, month, day, hour, minute, second, offset (ECMA-119, 9.1.5). */
const DATE = [80, 1, 1, 0, 0, 0, 0];

const IS_DIRECTORY = 2;

/** Identifiers of a directory itself and of its parent (ECMA-119, 6.8.2.2). */
const SELF = Buffer.of(0);
const PARENT = Buffer.of(1);

/** A file of an image: where its content begins, in sectors. */
interface PlacedFile {
  readonly identifier: Buffer;
  readonly content: Buffer;
  readonly sector: number;
}

/**
 * Builds an ISO 9660 image (ECMA-119) with one directory of files, by their names. Names are kept as they are, lower case
 * included. The same files give the same bytes, since all dates are fixed. Throws a RangeError for a label or a name that is too
 * long, and for more files than one sector of the directory holds.
 */
export function iso9660(label: string, files: Readonly<Record<string, string | Uint8Array>>): Buffer {
  const placed = placedFiles(files);
  const last = placed.at(-1);
  const sectors = last === undefined ? FIRST_FILE : last.sector + sectorsOf(last.content);
  const image = Buffer.alloc(sectors * SECTOR);
  volumeDescriptor(label, sectors).copy(image, DESCRIPTOR * SECTOR);
  image.write('\xffCD001\x01', TERMINATOR * SECTOR, 'latin1');
  rootDirectory(placed).copy(image, ROOT * SECTOR);
  for (const { content, sector } of placed) content.copy(image, sector * SECTOR);
  return image;
}

/** Files in the order of their identifiers (ECMA-119, 9.3), each from a new sector. */
function placedFiles(files: Readonly<Record<string, string | Uint8Array>>): PlacedFile[] {
  let sector = FIRST_FILE;
  return Object.entries(files)
    .map(([name, content]) => ({ identifier: identifierOf(name), content: Buffer.from(content) }))
    .sort((a, b) => Buffer.compare(a.identifier, b.identifier))
    .map((file) => {
      const placed = { ...file, sector };
      sector += sectorsOf(file.content);
      return placed;
    });
}

function identifierOf(name: string): Buffer {
  const identifier = Buffer.from(name + VERSION);
  if (name === '' || /[/;\0]/.test(name)) throw new RangeError(`not a file name: ${JSON.stringify(name)}`);
  if (identifier.length > LONGEST_IDENTIFIER) throw new RangeError(`the file name is too long: ${name}`);
  return identifier;
}

function sectorsOf(content: Buffer): number {
  return Math.ceil(content.length / SECTOR);
}

/** The primary volume descriptor (ECMA-119, 8.4). */
function volumeDescriptor(label: string, sectors: number): Buffer {
  if (Buffer.byteLength(label) > LONGEST_LABEL) throw new RangeError(`the label is too long: ${label}`);
  const sector = Buffer.alloc(SECTOR);
  sector.write('\x01CD001\x01', 0, 'latin1');
  sector.fill(' ', 8, 72);
  sector.write(label, 40);
  bothEndian32(sectors).copy(sector, 80);
  bothEndian16(1).copy(sector, 120);
  bothEndian16(1).copy(sector, 124);
  bothEndian16(SECTOR).copy(sector, 128);
  directoryRecord(SELF, ROOT, SECTOR, IS_DIRECTORY).copy(sector, 156);
  // identifiers of publisher, application and others: none
  sector.fill(' ', 190, 813);
  for (const date of [813, 830, 847, 864]) sector.fill('0', date, date + 16);
  sector[881] = 1;
  return sector;
}

function rootDirectory(files: readonly PlacedFile[]): Buffer {
  const records = Buffer.concat([
    directoryRecord(SELF, ROOT, SECTOR, IS_DIRECTORY),
    directoryRecord(PARENT, ROOT, SECTOR, IS_DIRECTORY),
    ...files.map(({ identifier, content, sector }) => directoryRecord(identifier, sector, content.length, 0)),
  ]);
  if (records.length > SECTOR) throw new RangeError(`too many files for one directory: ${files.length}`);
  return records;
}

/** A directory record (ECMA-119, 9.1), whose length is even. */
function directoryRecord(identifier: Buffer, sector: number, size: number, flags: number): Buffer {
  const length = 33 + identifier.length;
  const record = Buffer.alloc(length + (length % 2));
  record[0] = record.length;
  bothEndian32(sector).copy(record, 2);
  bothEndian32(size).copy(record, 10);
  record.set(DATE, 18);
  record[25] = flags;
  bothEndian16(1).copy(record, 28);
  record[32] = identifier.length;
  identifier.copy(record, 33);
  return record;
}

/** A number in both byte orders, the little-endian one first (ECMA-119, 7.2.3 and 7.3.3). */
function bothEndian16(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16LE(value, 0);
  bytes.writeUInt16BE(value, 2);
  return bytes;
}

function bothEndian32(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value, 0);
  bytes.writeUInt32BE(value, 4);
  return bytes;
}
