import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LOG_LIMIT, capLog } from '../host/log-cap.ts';
import type { LogPlace } from '../host/log-place.ts';
import { placeOf } from '../host/log-place.ts';
import type { Problem } from '../problem.ts';

/** Serial log of a machine: QEMU appends to it, and its size is limited here. */
export interface SerialLog {
  readonly place: LogPlace;
  close: () => Promise<void>;
}

/** Creates the serial log of a machine in its private directory. */
export async function openPrivateLog(directory: string, onCut: () => void): Promise<SerialLog> {
  const path = join(directory, 'serial.log');
  await (await open(path, 'wx', 0o600)).close();
  const place = placeOf(path);
  return { place, close: capLog(place, { onCut }) };
}

/**
 * Creates a serial log that the user keeps. All users get it as an open file, and its older part by an open directory:
 * a guest may be able to put a link in the place of either.
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

/** Path of one of our file descriptors, also for other processes. */
function descriptorPath(descriptor: number): string {
  return `/proc/${process.pid}/fd/${descriptor}`;
}

/** Warning for a guest whose serial output exceeds the limit. */
export function logCut(vm: string): Problem {
  return {
    reason: 'machine',
    message: `the serial log of VM ${vm} has exceeded ${LOG_LIMIT / 1e6} MB: its beginning is dropped`,
    hint: 'the latest part is kept, and the part before it in a file with the suffix .1',
  };
}
