import { accessSync, constants, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { TransientError, systemMessage } from '../problem.ts';

/** Variable that names another directory for what stateless VMs write. */
export const SNAPSHOT_VARIABLE = 'TRANSIENT_SNAPSHOT_DIR';

const TMPFS_MAGIC = 0x01021994;

/**
 * Where QEMU's `-snapshot` puts what a guest writes (as its TMPDIR, into a file without a name): memory, which is the
 * right place for what nobody will keep, unless the user names another.
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
    // a host without it: the ordinary temporary directory has to do
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
        message: `cannot write to ${directory}, which ${SNAPSHOT_VARIABLE} names: ${systemMessage(cause)}`,
        where: { kind: 'env', name: SNAPSHOT_VARIABLE },
        hint: 'name a directory that is there and that you may write to, or unset it',
      },
      { cause },
    );
  }
}
