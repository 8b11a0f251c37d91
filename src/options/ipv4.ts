/** An IPv4 address as the number that its four bytes are, the first the highest. */
export type Ipv4 = number;

/** A range of addresses: its first one, and how many bits all of them share. */
export interface Subnet {
  readonly network: Ipv4;
  readonly prefix: number;
}

/** Reads four numbers with dots; anything else, also the short and octal forms of old, is undefined. */
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

/** How many addresses a subnet has. */
export function sizeOf({ prefix }: Pick<Subnet, 'prefix'>): number {
  return 2 ** (32 - prefix);
}

/** The bits that all addresses of a subnet share, as an address. */
export function maskOf(prefix: number): Ipv4 {
  return 2 ** 32 - sizeOf({ prefix });
}

/** The subnet of a length that an address lies in. */
export function subnetAround(address: Ipv4, prefix: number): Subnet {
  const size = sizeOf({ prefix });
  return { network: Math.floor(address / size) * size, prefix };
}

/** The address for all of a subnet at once: its last one. */
export function broadcastOf(subnet: Subnet): Ipv4 {
  return subnet.network + sizeOf(subnet) - 1;
}

export function isWithin(address: Ipv4, subnet: Subnet): boolean {
  return address >= subnet.network && address <= broadcastOf(subnet);
}

export function overlap(one: Subnet, other: Subnet): boolean {
  return isWithin(one.network, other) || isWithin(other.network, one);
}
