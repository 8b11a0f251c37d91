import type { Merged } from './merge.ts';

/** Facts about the distribution in an image, which its seed depends on. */
export interface SeededGuest {
  /** The program that reads the seed; nuageinit is FreeBSD's, and knows a part of cloud-init. */
  readonly setUpBy: 'cloud-init' | 'nuageinit';
  /** Shell of the user. */
  readonly shell: string;
  /** Program by which the user becomes root without a password. */
  readonly privilege: 'sudo' | 'doas' | 'none';
  /**
   * Newest version of `network-config` that it handles.
   * @asType integer
   */
  readonly networkConfig: 1 | 2;
}

/** A guest about which nothing is known but that it has cloud-init. */
export const ANY_CLOUD_IMAGE: SeededGuest = {
  setUpBy: 'cloud-init',
  shell: '/bin/bash',
  privilege: 'sudo',
  networkConfig: 2,
};

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

/** The seed from the options; user-data implies one, unless it is disabled explicitly. */
export function seedOf({ option, values }: Merged): SeedSpec | undefined {
  const userData = values['user-data'];
  const isWanted = values['cloud-init'] ?? (userData !== undefined || option('cloud-init'));
  if (!isWanted) return undefined;
  return {
    guest: ANY_CLOUD_IMAGE,
    ...(userData === undefined ? {} : { userData }),
    ...(option('wait-for') === 'cloud-init' ? { waitTimeout: option('cloud-init-timeout') } : {}),
  };
}
