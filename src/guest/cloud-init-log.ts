/** Lines of cloud-init on a serial console, and those of systemd about its services. */
const OF_CLOUD_INIT = /\bcloud-init(\[\d+\]|:)|\bci-info: (?!\+)|\[FAILED\].*\bcloud\b/i;

/** Signs that cloud-init, or something about it, has run. */
const SIGN_OF_CLOUD_INIT = /\bcloud-(init|config|final)\b|\bci-info\b|\bnuageinit\b/i;

/** Last message of a boot in which it found no seed (cloud-init, DataSourceNone). */
const NO_DATASOURCE = /\bDataSourceNone\b|Used fallback datasource/;

/** The kernel's own parameters may mention it. */
const KERNEL_PARAMETERS = /command line:/i;

/** A guest that has finished booting. */
const HAS_BOOTED =
  /\blogin:\s*$|Reached target .*(Multi-User|Login Prompts|multi-user\.target|getty\.target)/;

/** Maximum number of lines of cloud-init that are shown. */
const MOST_LINES = 20;

/**
 * How far a seed came in a guest, by its serial console: cloud-init has not run, or has found no seed; undefined if the
 * console does not tell.
 */
export type SeedFailure = 'no-cloud-init' | 'no-datasource' | undefined;

/** `hasBooted` if the guest is known to have started its services, as by an ssh server that answers. */
export function seedFailure(lines: readonly string[], hasBooted: boolean): SeedFailure {
  if (lines.some((line) => NO_DATASOURCE.test(line))) return 'no-datasource';
  const hasRun = lines.some((line) => SIGN_OF_CLOUD_INIT.test(line) && !KERNEL_PARAMETERS.test(line));
  if (hasRun || lines.length === 0) return undefined;
  return hasBooted || lines.some((line) => HAS_BOOTED.test(line)) ? 'no-cloud-init' : undefined;
}

/** The last lines of cloud-init on a serial console, without those that are shown anyway. */
export function cloudInitLines(lines: readonly string[], shown: readonly string[]): string[] {
  return lines.filter((line) => OF_CLOUD_INIT.test(line) && !shown.includes(line)).slice(-MOST_LINES);
}

/** How to go on after a failure of the seed. */
export const SEED_HINTS = {
  'no-cloud-init':
    'nothing on its console is from cloud-init: the image has none, or it found no seed and disabled itself; use an image with cloud-init, or omit cloud-init and name a user of the image with --ssh-user',
  'no-datasource':
    'cloud-init runs in it, but found no seed: the image must allow the datasource NoCloud, and have a driver for virtio block devices',
} as const;
