import type { Merged } from './merge.ts';

/** Connection of the user to the running VM. */
export type Connection =
  | { readonly kind: 'qemu-console' }
  | { readonly kind: 'ssh-console'; readonly serial: boolean }
  | { readonly kind: 'ssh-command'; readonly command: string; readonly serial: boolean }
  | { readonly kind: 'service' };

/**
 * The connection of a VM: one that is `alone` in its plan must have something to connect to, and one that is `detached`
 * has no terminal.
 */
export function connectionOf(
  { option, values }: Merged,
  { alone, detached }: { readonly alone: boolean; readonly detached: boolean },
): Connection {
  const serial = !detached && option('ssh-with-serial');
  const command = values['ssh-command'];
  if (command !== undefined) return { kind: 'ssh-command', command, serial };
  if (detached) return { kind: 'service' };
  if (serial || option('ssh-console')) return { kind: 'ssh-console', serial };
  return { kind: alone ? 'qemu-console' : 'service' };
}
