import type { CloudGuest } from './cloud-image.ts';
import type { Merged } from './merge.ts';
import type { SeededGuest } from './seeded-guest.ts';
import { ANY_CLOUD_IMAGE } from './seeded-guest.ts';

/** Seed of a VM whose image is set up by cloud-init. */
export interface SeedSpec {
  readonly guest: SeededGuest;
  /** Path of the user's own document for cloud-init. */
  readonly userData?: string;
  /** How long cloud-init may take, in seconds, if the guest is ready only once that has ended. */
  readonly waitTimeout?: number;
}

/** MAC of the ssh card of a VM with a seed, by which the seed configures it: the one QEMU gives to a first card (net/net.c). */
export const SSH_CARD_MAC = '52:54:00:12:34:56';

/** Name of a seeded guest in its known_hosts file (ssh_config(5), HostKeyAlias): its port differs from run to run. */
export const HOST_KEY_ALIAS = 'guest';

/** The seed from the options; user-data and an image of the catalogue imply one, unless it is disabled explicitly. */
export function seedOf({ option, values }: Merged, guest?: CloudGuest): SeedSpec | undefined {
  const userData = values['user-data'];
  const isImplied = userData !== undefined || guest !== undefined;
  const isWanted = values['cloud-init'] ?? (isImplied || option('cloud-init'));
  if (!isWanted) return undefined;
  return {
    guest: guest === undefined ? ANY_CLOUD_IMAGE : seededGuest(guest),
    ...(userData === undefined ? {} : { userData }),
    ...(option('wait-for') === 'cloud-init' ? { waitTimeout: option('cloud-init-timeout') } : {}),
  };
}

function seededGuest({ setUpBy, shell, privilege, networkConfig }: CloudGuest): SeededGuest {
  return { setUpBy, shell, privilege, networkConfig };
}
