import type { Readable } from 'node:stream';

/**
 * Calls back with each line of a stream, without its terminator (LF or CR LF). When a line exceeds `most` bytes, reading
 * stops and `onTooLong` is called.
 */
export function eachLine(
  stream: Readable,
  most: number,
  onLine: (line: string) => void,
  onTooLong: () => void,
): void {
  let begun: Buffer[] = [];
  let size = 0;
  const take = (chunk: Buffer): void => {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = Buffer.concat([...begun, rest.subarray(0, end)]).toString();
      [begun, size, rest] = [[], 0, rest.subarray(end + 1)];
      onLine(line.replace(/\r$/, ''));
    }
    size += rest.length;
    if (rest.length > 0) begun.push(rest);
    if (size <= most) return;
    stream.off('data', take);
    begun = [];
    onTooLong();
  };
  stream.on('data', take);
}
