import { readFile } from 'node:fs/promises';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';

/** The host key in a known_hosts file of one line (sshd(8)), in base64. */
export async function hostKeyIn(knownHosts: string): Promise<string | undefined> {
  const [, , base64] = (await readFile(knownHosts, 'utf8')).trim().split(' ');
  return base64;
}

/** Problem of a guest that presents another host key than that of its seed. */
export class DifferentHostKey extends TransientError {
  constructor(more: Pick<Problem, 'hint' | 'details'> = {}, cause?: unknown) {
    super(
      {
        reason: 'guest',
        message: 'the guest has a different host key than the one in its seed: it was not logged in to',
        hint: 'its image must run cloud-init before its ssh server; check its serial console (--ssh-with-serial), or omit cloud-init',
        ...more,
      },
      { cause },
    );
  }
}
