import type { Merged } from './merge.ts';

/** Seed of a VM whose image is set up by cloud-init. */
export interface SeedSpec {
  /** Path of the user's own document for cloud-init. */
  readonly userData?: string;
}

/** MAC of the ssh card of a VM with a seed, by which the seed configures it: the one QEMU gives to a first card (net/net.c). */
export const SSH_CARD_MAC = '52:54:00:12:34:56';

/** Name of a seeded guest in its known_hosts file (ssh_config(5), HostKeyAlias): its port differs from run to run. */
export const HOST_KEY_ALIAS = 'guest';

/** The seed from the options; user-data implies one, unless it is disabled explicitly. */
export function seedOf({ option, values }: Merged): SeedSpec | undefined {
  const userData = values['user-data'];
  const isWanted = values['cloud-init'] ?? (userData !== undefined || option('cloud-init'));
  if (!isWanted) return undefined;
  return userData === undefined ? {} : { userData };
}
