import { setTimeout as delay } from 'node:timers/promises';
import { placeOf } from '../host/log-place.ts';
import { LogReader } from '../host/log-reader.ts';

/** Poll interval for a growing log, in milliseconds. */
const INTERVAL = 100;

/** Prints a log, including its rotated part; follows it while `goesOn` returns true. */
export async function printLog(
  path: string,
  show: (bytes: Buffer) => void,
  goesOn: () => boolean = () => false,
): Promise<void> {
  const log = new LogReader(placeOf(path), { older: true });
  try {
    for (let last = false; ;) {
      const piece = log.read();
      if (piece !== undefined) show(piece);
      else if (last) return;
      else {
        // the last output of its writer may still have to be read
        last = !goesOn();
        if (!last) await delay(INTERVAL);
      }
    }
  } finally {
    log.close();
  }
}
