import { closeSync, fstatSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { LogPlace } from '../host/log-place.ts';
import { openPrevious, placeOf } from '../host/log-place.ts';
import { LogReader } from '../host/log-reader.ts';
import type { SerialTail } from '../plan/executor.ts';

/** Number of bytes read from the end of a serial log for an error message. */
const TAIL = 16 * 1024;

/** Number of bytes in which a whole boot fits. */
const WHOLE_BOOT = 512 * 1024;

/** Poll interval for a growing log, in milliseconds. */
const INTERVAL = 50;

/** Reads the end of a serial log, without the control sequences of a boot loader's screen. */
export async function serialTail(log: string | LogPlace, count = 15, most = TAIL): Promise<SerialTail> {
  const place = placeOf(log);
  try {
    await using file = await open(place.path, 'r');
    const { mtimeMs } = await file.stat();
    const end = endOf(file.fd, most);
    // a log that was just rotated continues from its older part
    const bytes = Buffer.concat([endOfPrevious(place, most - end.length), end]);
    const lines = plainLines(bytes.toString()).slice(-count);
    return { lines, silence: Math.max(0, (Date.now() - mtimeMs) / 1000) };
  } catch {
    return { lines: [], silence: 0 };
  }
}

/** Reads a serial log as far back as a whole boot. */
export async function serialLines(log: string | LogPlace): Promise<SerialTail> {
  return serialTail(log, Number.POSITIVE_INFINITY, WHOLE_BOOT);
}

function endOfPrevious(place: LogPlace, most: number): Buffer {
  const file = most === 0 ? undefined : openPrevious(place);
  if (file === undefined) return Buffer.alloc(0);
  try {
    return endOf(file, most);
  } finally {
    closeSync(file);
  }
}

/** Reads the last bytes of an open file. */
function endOf(file: number, most: number): Buffer {
  const start = Math.max(0, fstatSync(file).size - most);
  const buffer = Buffer.alloc(most);
  return buffer.subarray(0, readSync(file, buffer, 0, most, start));
}

function plainLines(text: string): string[] {
  // eslint-disable-next-line no-control-regex -- these are what is removed
  const plain = text.replaceAll(/\x1b\[[\d;?=]*[A-Za-z]|\x1b[()][\w]|\x1bc|[\x00-\x08\x0b-\x1f\x7f]/g, '');
  return plain
    .split('\n')
    .map((line) => line.trimEnd())
    .filter(Boolean);
}

/** Follows a growing serial log until it is stopped; stopping waits for data already written. */
export function followSerial(log: string | LogPlace, show: (bytes: Buffer) => void): () => void {
  let reader: LogReader | undefined;
  const copy = (): void => {
    try {
      reader ??= new LogReader(placeOf(log));
    } catch {
      return; // not created yet
    }
    for (let piece = reader.read(); piece !== undefined; piece = reader.read()) show(piece);
  };
  const timer = setInterval(copy, INTERVAL);
  let ended = false;
  return () => {
    if (ended) return;
    ended = true;
    clearInterval(timer);
    copy();
    reader?.close();
  };
}
