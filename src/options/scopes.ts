import type { Scope } from './option.ts';

/** Scopes of options that configure a VM's sessions. */
export const SESSION: readonly Scope[] = ['run', 'create', 'start', 'up', 'plan', 'file'];

/** Scopes of options for one session of a VM, which are not stored for the next. */
export const ONCE: readonly Scope[] = ['run', 'start', 'up', 'plan', 'file'];

/** Scopes of options for connecting to a guest, which also apply to a running VM. */
export const CONTACT: readonly Scope[] = [...SESSION, 'ssh'];

/** Scopes of options of every command. */
export const EVERYWHERE: readonly Scope[] = ['everywhere', 'file'];
