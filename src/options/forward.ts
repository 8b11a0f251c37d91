import { parseIpv4 } from './ipv4.ts';
import { written } from './option.ts';

/** A host port forwarded to a guest port; the kernel picks host port 0. */
export interface Forward {
  readonly address: string;
  /** @asType integer */
  readonly host: number;
  /** @asType integer */
  readonly guest: number;
  readonly protocol: 'tcp' | 'udp';
}

/** Address that a forward listens on by default. */
const LOOPBACK = '127.0.0.1';

/** Parses `[ADDRESS:]HOST:GUEST[/udp]`; returns the error as a string. */
export function parseForward(value: string): Forward | string {
  if (/^\[.*\]:/.test(value)) return 'must not have an IPv6 address: QEMU forwards IPv4 only';
  const [, address = LOOPBACK, host, guest, protocol = 'tcp'] =
    /^(?:([^:]*):)?(\d{1,5}):(\d{1,5})(?:\/([a-z]+))?$/.exec(value) ?? [];
  if (host === undefined || guest === undefined)
    return 'must be [ADDRESS:]HOST_PORT:GUEST_PORT[/udp], such as "8080:80"';
  if (parseIpv4(address) === undefined)
    return `must have an IPv4 address such as "127.0.0.1" before its ports, not "${address}"`;
  if (protocol !== 'tcp' && protocol !== 'udp') return `must end with /tcp or /udp, not "/${protocol}"`;
  if (Number(host) > 65_535 || Number(guest) > 65_535) return 'must have ports no greater than 65535';
  if (Number(guest) === 0) return 'must have a guest port of at least 1';
  return { address, host: Number(host), guest: Number(guest), protocol };
}

/** Schema of a forward, kept as the text that was written. */
export const forward = written(parseForward);
