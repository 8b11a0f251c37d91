import { hostArchitecture, whyNoKvm } from '../host/kvm.ts';
import type { Seen } from './finding.ts';

/** Looks whether guests of the host's own architecture can have KVM. */
export function kvm(): Promise<Seen> {
  const why = whyNoKvm(hostArchitecture());
  const seen: Seen =
    why === undefined ? { state: 'ok', found: '/dev/kvm' } : { state: 'warning', found: why };
  return Promise.resolve(seen);
}
