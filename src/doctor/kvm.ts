import { hostArchitecture, whyNoKvm } from '../host/kvm.ts';
import type { Seen } from './finding.ts';

/** Checks whether KVM works for guests of the host's own architecture. */
export function kvm(): Promise<Seen> {
  const why = whyNoKvm(hostArchitecture());
  const seen: Seen =
    why === undefined ? { state: 'ok', found: '/dev/kvm' } : { state: 'warning', found: why };
  return Promise.resolve(seen);
}
