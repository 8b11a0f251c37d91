import { setTimeout as delay } from 'node:timers/promises';
import { placeOf } from '../host/log-place.ts';
import { LogReader } from '../host/log-reader.ts';

/** How often a growing log is looked at, in milliseconds. */
const INTERVAL = 100;

/** Prints a log, with its older part where it has been cut; with `goesOn` also what comes for as long as that says so. */
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
        // what was written until its writer ended is still there to be read
        last = !goesOn();
        if (!last) await delay(INTERVAL);
      }
    }
  } finally {
    log.close();
  }
}
