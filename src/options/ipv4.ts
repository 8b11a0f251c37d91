/** An IPv4 address as a 32-bit number in network byte order. */
export type Ipv4 = number;

/** A range of addresses: the network address and the prefix length. */
export interface Subnet {
  readonly network: Ipv4;
  readonly prefix: number;
}

/** Parses dotted decimal notation; anything else, including the historic short and octal forms, is undefined. */
export function parseIpv4(text: string): Ipv4 | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1) ?? [];
  const isPlain = (part: string): boolean => Number(part) <= 255 && String(Number(part)) === part;
  if (parts.length !== 4 || !parts.every(isPlain)) return undefined;
  return parts.reduce((address, part) => address * 256 + Number(part), 0);
}

export function formatIpv4(address: Ipv4): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}

export function formatSubnet({ network, prefix }: Subnet): string {
  return `${formatIpv4(network)}/${prefix}`;
}

/** Number of addresses in a subnet. */
export function sizeOf({ prefix }: Pick<Subnet, 'prefix'>): number {
  return 2 ** (32 - prefix);
}

/** Netmask of a prefix length. */
export function maskOf(prefix: number): Ipv4 {
  return 2 ** 32 - sizeOf({ prefix });
}

/** The subnet with this prefix length that contains an address. */
export function subnetAround(address: Ipv4, prefix: number): Subnet {
  const size = sizeOf({ prefix });
  return { network: Math.floor(address / size) * size, prefix };
}

/** Broadcast address of a subnet: its last one. */
export function broadcastOf(subnet: Subnet): Ipv4 {
  return subnet.network + sizeOf(subnet) - 1;
}

export function isWithin(address: Ipv4, subnet: Subnet): boolean {
  return address >= subnet.network && address <= broadcastOf(subnet);
}

export function overlap(one: Subnet, other: Subnet): boolean {
  return isWithin(one.network, other) || isWithin(other.network, one);
}
