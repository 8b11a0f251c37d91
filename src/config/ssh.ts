import type { CloudGuest } from './cloud-image.ts';
import type { Merged } from './merge.ts';

/** Ssh settings of a guest. Times are in seconds. */
export interface SshSpec {
  readonly user: string;
  readonly program: string;
  readonly timeout: number;
  /** Timeout under software emulation, if it is another one. */
  readonly emulatedTimeout?: number;
  readonly options: readonly string[];
  /**
   * Port of the host; the kernel picks one when it is undefined.
   * @asType integer
   */
  readonly port?: number;
  readonly netDriver: string;
  readonly wellKnownKeys: WellKnownKeys;
}

/**
 * Handling of well-known public keys in a guest, whose private keys are published: they are replaced by a generated one,
 * restored where they were replaced before, or left; `python`: left because the Python transient logs in with them.
 */
export type WellKnownKeys = 'replace' | 'restore' | 'leave' | 'python';

/** Default timeout of a guest that cloud-init sets up, under software emulation: the first boot takes minutes there. */
const EMULATED_TIMEOUT = 300;

/** Facts that defaults depend on: the guest of an image of the catalogue, and whether cloud-init sets it up. */
interface SshDefaults {
  readonly guest?: Pick<CloudGuest, 'user'> | undefined;
  readonly isSeeded?: boolean;
}

/** Ssh settings from the options. */
export function sshOf({ option, values }: Merged, { guest, isSeeded = false }: SshDefaults = {}): SshSpec {
  const port = values['ssh-port'];
  return {
    user: values['ssh-user'] ?? guest?.user ?? option('ssh-user'),
    program: option('ssh-bin-name'),
    timeout: option('ssh-timeout'),
    ...(isSeeded && values['ssh-timeout'] === undefined ? { emulatedTimeout: EMULATED_TIMEOUT } : {}),
    options: option('ssh-option'),
    ...(port === undefined ? {} : { port }),
    netDriver: option('ssh-net-driver'),
    wellKnownKeys: 'leave',
  };
}

/** How well-known keys are handled; a persistent VM may have had them replaced in an earlier run. */
export function keysIn(
  { option }: Merged,
  {
    isPersistent,
    isPythons,
    isSeeded,
  }: { readonly isPersistent: boolean; readonly isPythons: boolean; readonly isSeeded: boolean },
): WellKnownKeys {
  // a seed gives the guest a key of its own
  if (isSeeded) return 'leave';
  if (isPythons) return option('insert-key') ? 'python' : 'leave';
  if (option('insert-key')) return 'replace';
  return isPersistent ? 'restore' : 'leave';
}
