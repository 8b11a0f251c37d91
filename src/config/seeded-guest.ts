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
