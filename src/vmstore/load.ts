import { existsSync, readFileSync } from 'node:fs';
import type { StoredVm } from '../config/stored-vm.ts';
import { noConfiguration } from '../config/stored-problems.ts';
import { readStoredVm } from '../config/stored-vm.ts';
import { vmPaths } from '../host/store-layout.ts';
import type { Result } from '../problem.ts';
import { errorCode, failed, ok, systemMessage } from '../problem.ts';

/** Loads the stored configuration of a VM; undefined if the store has no such VM. */
export async function loadStoredVm(vmstore: string, name: string): Promise<Result<StoredVm | undefined>> {
  // the store itself and its dot-directories are not VMs
  if (name === '' || name.startsWith('.')) return ok(undefined);
  const paths = vmPaths(vmstore, name);
  if (!existsSync(paths.directory)) return ok(undefined);
  try {
    const config = readFileSync(paths.config, 'utf8');
    return await readStoredVm({ config, ours: textOf(paths.ours) }, paths.config, process.cwd());
  } catch (error) {
    const isCutOff = errorCode(error) === 'ENOENT';
    // it was removed concurrently
    if (isCutOff && !existsSync(paths.directory)) return ok(undefined);
    if (isCutOff) return failed(noConfiguration(name));
    return failed({
      reason: 'unreadable',
      message: `cannot read ${paths.config}: ${systemMessage(error)}`,
    });
  }
}

/** Text of our extension; empty for a VM created by the Python transient. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
