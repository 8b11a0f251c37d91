import type { Child } from '../host/child.ts';
import type { GuestShell } from '../transfer/guest-shell.ts';

/** A shell in a running guest that can also start long-running scripts. */
export interface MountShell extends Pick<GuestShell, 'sudo' | 'run'> {
  /** Whether the user is root in the guest, or may become root. */
  readonly isRoot: boolean;
  readonly user: string;
  /** Starts a script with its stdin, stdout and stderr connected here. */
  start: (script: string) => Promise<Child>;
}
