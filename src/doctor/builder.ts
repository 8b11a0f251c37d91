import { hostKernel } from '../builder/kernel.ts';
import { staticBusybox } from '../builder/programs.ts';
import { hasProgram } from '../host/program.ts';
import type { Seen } from './finding.ts';

/** Looks for a readable kernel of the host. */
export async function kernel(): Promise<Seen> {
  return orFetched((await hostKernel())?.image, 'no readable kernel in /boot');
}

/** Looks for a static busybox. */
export async function busybox(): Promise<Seen> {
  return orFetched(await staticBusybox(), 'no static busybox');
}

/** Reports a missing program as available if it can be fetched from Debian's packages. */
async function orFetched(path: string | undefined, none: string): Promise<Seen> {
  if (path !== undefined) return { state: 'ok', found: path };
  const canFetch = (await hasProgram('apt-get')) && (await hasProgram('dpkg-deb'));
  return canFetch
    ? { state: 'ok', found: `${none}: will be fetched by apt-get` }
    : { state: 'missing', found: `${none}, and no apt-get to fetch one` };
}
