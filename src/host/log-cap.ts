import { fstatSync, ftruncateSync, readSync, renameSync, writeSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, rm, stat, truncate } from 'node:fs/promises';
import type { LogPlace } from './log-place.ts';
import { trace } from './trace.ts';

/** Size at which a log is rotated, in bytes; the older part is as large, so that both take twice as much. */
export const LOG_LIMIT = 32_000_000;

/** Interval between checks of its size, in milliseconds. */
const INTERVAL = 1000;

/** Copy buffer size, in bytes. */
const PIECE = 1 << 20;

interface CapOptions {
  readonly limit?: number;
  readonly interval?: number;
  /** Called when the log is rotated for the first time. */
  readonly onCut?: () => void;
}

/**
 * Rotates a log at its size limit, replacing the older part. Its writer keeps its descriptor, opened with O_APPEND, so the
 * log is copied and truncated. Returns a function to stop.
 */
export function capLog(place: LogPlace, options: CapOptions = {}): () => Promise<void> {
  const { limit = LOG_LIMIT, interval = INTERVAL, onCut = () => undefined } = options;
  let looking: Promise<void> | undefined;
  let isFirst = true;
  const look = async (): Promise<void> => {
    const { size } = await stat(place.path);
    if (size < limit) return;
    await cut(place);
    if (isFirst) onCut();
    isFirst = false;
  };
  const timer = setInterval(() => {
    looking ??= look()
      .catch((error: unknown) => trace('info', () => `cannot cut the log ${place.path}: ${String(error)}`))
      .finally(() => (looking = undefined));
  }, interval);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await looking;
  };
}

/** Moves the content of a log to its older part; it is dropped if that cannot be written. */
async function cut(place: LogPlace): Promise<void> {
  const fresh = `${place.previous}.new`;
  try {
    await using file = await open(place.path, 'r+');
    await rm(fresh, { force: true });
    await using copy = await open(fresh, 'wx', (await file.stat()).mode & 0o777);
    const copied = await copyAll(file, copy);
    // synchronous from here on: data written in the microseconds between the last stat and the truncation is lost
    renameSync(fresh, place.previous);
    copyRest(file.fd, copy.fd, copied);
    ftruncateSync(file.fd, 0);
  } catch (error) {
    trace('info', () => `cannot keep the older part of the log ${place.path}: ${String(error)}`);
    for (const path of [fresh, place.previous]) await rm(path, { force: true }).catch(() => undefined);
    await truncate(place.path);
  }
}

/** Copies the initial content of a file; returns its length. */
async function copyAll(file: FileHandle, copy: FileHandle): Promise<number> {
  const { size } = await file.stat();
  const buffer = Buffer.alloc(PIECE);
  let position = 0;
  while (position < size) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(PIECE, size - position), position);
    if (bytesRead === 0) break;
    await copy.writeFile(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
  return position;
}

/** Copies data appended since. */
function copyRest(file: number, copy: number, from: number): void {
  const buffer = Buffer.alloc(PIECE);
  for (let position = from; position < fstatSync(file).size;) {
    const count = readSync(file, buffer, 0, PIECE, position);
    for (let written = 0; written < count;) written += writeSync(copy, buffer, written, count - written);
    position += count;
  }
}
