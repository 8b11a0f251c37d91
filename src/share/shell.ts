import type { Child } from '../host/child.ts';
import type { Far } from '../transfer/far.ts';

/** The inside of a running guest, where scripts can also be started that stay. */
export interface Shell extends Pick<Far, 'sudo' | 'ask'> {
  /** Whether the user is the guest's root, or may be. */
  readonly isRoot: boolean;
  readonly user: string;
  /** Starts a script whose stdin, stdout and stderr are ours. */
  start: (script: string) => Promise<Child>;
}
