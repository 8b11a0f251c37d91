import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** How much is read at a time, in bytes, and how often a growing log is looked at, in milliseconds. */
const PIECE = 64 * 1024;
const INTERVAL = 100;

/** Prints a log; with `goesOn` also what comes for as long as that says so. */
export async function printLog(
  path: string,
  show: (bytes: Buffer) => void,
  goesOn: () => boolean = () => false,
): Promise<void> {
  await using file = await open(path, 'r');
  for (let last = false; ;) {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(PIECE), 0, PIECE, null);
    if (bytesRead > 0) show(buffer.subarray(0, bytesRead));
    else if (last) return;
    else {
      // what was written until its writer ended is still there to be read
      last = !goesOn();
      if (!last) await delay(INTERVAL);
    }
  }
}
