import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LOG_LIMIT, capLog } from '../host/log-cap.ts';
import type { LogPlace } from '../host/log-place.ts';
import { placeOf } from '../host/log-place.ts';
import type { Problem } from '../problem.ts';

/** The serial log of a machine: QEMU appends to it, and we keep it from growing for ever. */
export interface SerialLog {
  readonly place: LogPlace;
  close: () => Promise<void>;
}

/** Makes the serial log of a machine in its private directory. */
export async function openPrivateLog(directory: string, onCut: () => void): Promise<SerialLog> {
  const path = join(directory, 'serial.log');
  await (await open(path, 'wx', 0o600)).close();
  const place = placeOf(path);
  return { place, close: capLog(place, { onCut }) };
}

/**
 * Makes a serial log that the user keeps. Everybody gets it as an open file of ours, and its older part by an open
 * directory of ours: where logs lie, a guest may be able to put a link in the place of either.
 */
export async function openKeptLog(path: string, onCut: () => void): Promise<SerialLog> {
  const directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  const named = join(descriptorPath(directory.fd), basename(path));
  const previous = `${named}.1`;
  try {
    for (const old of [named, previous]) await rm(old, { force: true });
    const file = await open(named, 'wx', 0o644);
    const place = { path: descriptorPath(file.fd), previous };
    const endCap = capLog(place, { onCut });
    return {
      place,
      close: async () => {
        await endCap();
        await file.close();
        await directory.close();
      },
    };
  } catch (error) {
    await directory.close();
    throw error;
  }
}

/** A descriptor of ours as a path, also for other processes. */
function descriptorPath(descriptor: number): string {
  return `/proc/${process.pid}/fd/${descriptor}`;
}

/** The warning for a guest that says more on its serial console than is kept. */
export function logCut(vm: string): Problem {
  return {
    reason: 'machine',
    message: `the serial log of VM ${vm} has passed ${LOG_LIMIT / 1e6} MB: its beginning is dropped`,
    hint: 'its end is kept, and what came before that in a file whose name ends in .1',
  };
}
