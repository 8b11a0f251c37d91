/** One entry of a tar archive, also of those that no honest tar would write. */
export interface TarEntry {
  readonly name: string;
  readonly content?: Buffer | string;
  readonly type?: keyof typeof TYPES;
  /** Target of a link. */
  readonly link?: string;
  /** The size in the header, instead of the real one. */
  readonly claims?: number;
}

const TYPES = { file: '0', hardlink: '1', symlink: '2', device: '3', directory: '5', fifo: '6', pax: 'x' };
const BLOCK = 512;

/** A tar archive (ustar) in memory. */
export function tar(...entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(blocksOf), Buffer.alloc(2 * BLOCK)]);
}

/** The entry that gives the one after it another name, as POSIX tars do with long names. */
export function paxName(name: string): TarEntry {
  const pair = ` path=${name}\n`;
  // the number in front counts itself too
  const length = [2, 3]
    .map((digits) => digits + pair.length)
    .find((sum, at) => String(sum).length === at + 2);
  return { name: 'PaxHeader', type: 'pax', content: `${length ?? 0}${pair}` };
}

function blocksOf(entry: TarEntry): Buffer[] {
  const content = Buffer.from(entry.content ?? '');
  const padding = Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK);
  return [headerOf(entry, content.length), content, padding];
}

function headerOf({ name, type = 'file', link = '', claims }: TarEntry, size: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0, 100);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${(claims ?? size).toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write(TYPES[type], 156);
  header.write(link, 157, 100);
  header.write('ustar\u000000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
