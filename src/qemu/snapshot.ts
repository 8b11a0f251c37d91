import { accessSync, constants, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { TransientError, systemMessage } from '../problem.ts';

/** Environment variable for the directory of stateless VMs' disk writes. */
export const SNAPSHOT_VARIABLE = 'TRANSIENT_SNAPSHOT_DIR';

const TMPFS_MAGIC = 0x01021994;

/**
 * Directory for QEMU's `-snapshot` files (its TMPDIR, unlinked): on a tmpfs, since the data is discarded, unless the
 * user chooses another.
 */
export function snapshotDirectory(environment: NodeJS.ProcessEnv): string {
  const named = environment[SNAPSHOT_VARIABLE];
  if (named) {
    refuseUnusable(named);
    return named;
  }
  try {
    accessSync('/dev/shm', constants.W_OK);
    if (statfsSync('/dev/shm').type === TMPFS_MAGIC) return '/dev/shm';
  } catch {
    // hosts without it use the ordinary temporary directory
  }
  return tmpdir();
}

function refuseUnusable(directory: string): void {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    statfsSync(`${directory}/.`);
  } catch (cause) {
    throw new TransientError(
      {
        reason: 'host',
        message: `cannot write to ${directory}, set by ${SNAPSHOT_VARIABLE}: ${systemMessage(cause)}`,
        where: { kind: 'env', name: SNAPSHOT_VARIABLE },
        hint: 'set it to an existing directory that you can write to, or unset it',
      },
      { cause },
    );
  }
}
