import * as z from 'zod';
import type { Ipv4, Subnet } from '../ipv4.ts';
import { formatIpv4, formatSubnet, parseIpv4, subnetAround } from '../ipv4.ts';
import { codec } from './value-type.ts';

export const SHORTEST_PREFIX = 8;
const LONGEST_PREFIX = 30;

/** A subnet such as `10.77.0.0/24`. */
export const subnet = codec<Subnet>(() => z.string(), {
  decode: (value, fail) => {
    const [, text = '', length = ''] = /^([^/]*)\/(\d{1,2})$/.exec(value) ?? [];
    const [network, prefix] = [parseIpv4(text), Number(length)];
    if (network === undefined) return fail('must be an IPv4 subnet such as "10.77.0.0/24"');
    if (prefix < SHORTEST_PREFIX || prefix > LONGEST_PREFIX)
      return fail(`must have a prefix length between /${SHORTEST_PREFIX} and /${LONGEST_PREFIX}`);
    const around = subnetAround(network, prefix);
    if (around.network !== network)
      return fail(`must begin with its network address: ${formatSubnet(around)}`);
    const isForHosts = network >= 2 ** 24 && network >>> 24 !== 127 && network >>> 24 < 224;
    return isForHosts ? around : fail('must be a unicast subnet, such as "10.77.0.0/24"');
  },
  encode: formatSubnet,
});

/** An address such as `10.77.0.5`. */
export const address = codec<Ipv4>(() => z.string(), {
  decode: (text, fail) => parseIpv4(text) ?? fail('must be an IPv4 address such as "10.77.0.5"'),
  encode: formatIpv4,
});
