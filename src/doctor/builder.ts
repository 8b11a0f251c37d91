import { hostKernel } from '../builder/kernel.ts';
import { staticBusybox } from '../builder/programs.ts';
import { hasProgram } from '../host/program.ts';
import type { Seen } from './finding.ts';

/** Looks for a kernel of the host that we may read. */
export async function kernel(): Promise<Seen> {
  return orFetched((await hostKernel())?.image, 'none in /boot can be read');
}

/** Looks for a busybox that runs anywhere. */
export async function busybox(): Promise<Seen> {
  return orFetched(await staticBusybox(), 'none that is static');
}

/** What the host does not have comes from Debian's packages, where there are any. */
async function orFetched(path: string | undefined, none: string): Promise<Seen> {
  if (path !== undefined) return { state: 'ok', found: path };
  const canFetch = (await hasProgram('apt-get')) && (await hasProgram('dpkg-deb'));
  return canFetch
    ? { state: 'ok', found: `${none}: will be fetched by apt-get` }
    : { state: 'missing', found: `${none}, and there is no apt-get to fetch one` };
}
