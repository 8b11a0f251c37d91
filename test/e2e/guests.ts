import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { Rig } from '../rig/rig.ts';

/** An image spec for a guest that `scripts/guest-image` builds, or has built before. */
export function guest(name: 'tiny' | 'debian' | 'debian13'): string {
  return `${name},file=${printedPath('scripts/guest-image', name)}`;
}

/** Path of a cloud image of Debian that `scripts/cloud-image` builds, or has built before. */
export function cloudImage(release: '12' | '13'): string {
  return printedPath('scripts/cloud-image', release);
}

function printedPath(script: string, argument: string): string {
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  return execFileSync(script, [argument], { encoding: 'utf8', stdio: [...stdio] }).trim();
}

/** A builder VM is kept for the whole suite, as it is on a user's machine. */
const KEPT = {
  XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(process.env['HOME'] ?? '/tmp', '.cache'),
};

/** A rig on the host's own QEMU. */
export function realRig(env: NodeJS.ProcessEnv = {}): Rig {
  return new Rig({ fakeQemu: false, env: { ...KEPT, ...env } });
}

/**
 * Options that every run of a guest here shares: emulation on a busy machine takes its time, and a guest with several
 * processors hangs once in some hundred boots (src/builder/args.ts says why).
 */
export const PATIENTLY = ['--accel', 'tcg', '--ssh-timeout', '180', '-m', '512M', '--cpus', '1'];

/** The first boot of cloud-init starts Python four times, which takes minutes of emulation on a busy machine. */
export const FIRST_BOOT = ['--ssh-timeout', '540'];

/** A Transientfile with VMs, as tables, from the image `tiny`, under the same conditions. */
export function tinyProject(vms: string): string {
  return `
[defaults]
memory = "512M"
accel = "tcg"
cpus = 1
ssh-timeout = 180
[images.tiny]
source = "${guest('tiny').replace('tiny,', '')}"
${vms}`;
}
