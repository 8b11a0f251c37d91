import type { Child } from '../host/child.ts';
import type { GuestShell } from '../transfer/guest-shell.ts';

/** The inside of a running guest, where scripts can also be started that stay. */
export interface MountShell extends Pick<GuestShell, 'sudo' | 'run'> {
  /** Whether the user is the guest's root, or may be. */
  readonly isRoot: boolean;
  readonly user: string;
  /** Starts a script whose stdin, stdout and stderr are ours. */
  start: (script: string) => Promise<Child>;
}
