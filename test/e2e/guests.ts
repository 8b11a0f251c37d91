import { execFileSync } from 'node:child_process';
import { Rig } from '../rig/rig.ts';

/** An image spec for a guest that `scripts/guest-image` builds, or has built before. */
export function guest(name: 'tiny' | 'debian'): string {
  const path = execFileSync('scripts/guest-image', [name], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return `${name},file=${path.trim()}`;
}

/** A rig on the host's own QEMU. */
export function realRig(): Rig {
  return new Rig({ fakeQemu: false });
}

/** Options that every run of a guest here shares: emulation on a busy machine takes its time. */
export const PATIENTLY = ['--accel', 'tcg', '--ssh-timeout', '300', '-m', '512M'];
