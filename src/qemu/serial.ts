import { closeSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { SerialTail } from '../plan/contract.ts';

/** How much of the end of a serial log is read for an error message, in bytes. */
const TAIL = 16 * 1024;

/** How often a growing log is looked at, in milliseconds. */
const INTERVAL = 50;

/** The end of a serial log, without the control sequences of a boot loader's screen. */
export async function serialTail(path: string, count = 15): Promise<SerialTail> {
  try {
    await using file = await open(path, 'r');
    const { size, mtimeMs } = await file.stat();
    const start = Math.max(0, size - TAIL);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL), 0, TAIL, start);
    const lines = plainLines(buffer.toString('utf8', 0, bytesRead)).slice(-count);
    return { lines, silence: Math.max(0, (Date.now() - mtimeMs) / 1000) };
  } catch {
    return { lines: [], silence: 0 };
  }
}

function plainLines(text: string): string[] {
  // eslint-disable-next-line no-control-regex -- these are what is removed
  const plain = text.replaceAll(/\x1b\[[\d;?=]*[A-Za-z]|\x1b[()][\w]|\x1bc|[\x00-\x08\x0b-\x1f\x7f]/g, '');
  return plain
    .split('\n')
    .map((line) => line.trimEnd())
    .filter(Boolean);
}

/** Shows a growing serial log until it is told to end; the end waits for what was already written. */
export function followSerial(path: string, show: (bytes: Buffer) => void): () => void {
  const buffer = Buffer.alloc(TAIL);
  let file: number | undefined;
  const copy = (): void => {
    try {
      file ??= openSync(path, 'r');
    } catch {
      return; // QEMU has not made it yet
    }
    for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer)) {
      show(Buffer.from(buffer.subarray(0, read)));
    }
  };
  const timer = setInterval(copy, INTERVAL);
  let ended = false;
  return () => {
    if (ended) return;
    ended = true;
    clearInterval(timer);
    copy();
    if (file !== undefined) closeSync(file);
    file = undefined;
  };
}
