import { lazily } from '../lazily.ts';
import { parseIpv4 } from './ipv4.ts';
import { text } from './option.ts';

/** A port of the host that leads to one of a guest; port 0 of the host is one that the kernel picks. */
export interface Forward {
  readonly address: string;
  readonly host: number;
  readonly guest: number;
  readonly protocol: 'tcp' | 'udp';
}

/** Where a forward listens when no address is said. */
const LOOPBACK = '127.0.0.1';

/** Reads `[ADDRESS:]HOST:GUEST[/udp]`; a string says what is wrong with it. */
export function parseForward(said: string): Forward | string {
  if (/^\[.*\]:/.test(said)) return 'must not have an IPv6 address: QEMU forwards from IPv4 alone';
  const [, address = LOOPBACK, host, guest, protocol = 'tcp'] =
    /^(?:([^:]*):)?(\d{1,5}):(\d{1,5})(?:\/([a-z]+))?$/.exec(said) ?? [];
  if (host === undefined || guest === undefined)
    return 'must be [ADDRESS:]HOST_PORT:GUEST_PORT[/udp], such as "8080:80"';
  if (parseIpv4(address) === undefined)
    return `must have an IPv4 address such as "127.0.0.1" before its ports, not "${address}"`;
  if (protocol !== 'tcp' && protocol !== 'udp') return `must end with /tcp or /udp, not "/${protocol}"`;
  if (Number(host) > 65_535 || Number(guest) > 65_535) return 'must have ports up to 65535';
  if (Number(guest) === 0) return 'must have a port of the guest from 1 on';
  return { address, host: Number(host), guest: Number(guest), protocol };
}

/** A forward, kept as the text that was written. */
export const forward = lazily(() =>
  text().refine((said) => typeof parseForward(said) !== 'string', {
    error: (issue) => parseForward(issue.input as string) as string,
    abort: true,
  }),
);
