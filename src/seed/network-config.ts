/** A network card with a static address, identified by its MAC. */
export interface StaticCard {
  readonly mac: string;
  /** IPv4 address. */
  readonly address: string;
  /** @asType integer */
  readonly prefix: number;
  readonly gateway?: string;
  readonly nameserver?: string;
}

/**
 * The `network-config` document (cloud-init, networking config version 1 or 2), as JSON, which is YAML. Version 1 names the
 * cards; version 2 leaves their names, and the guest waits for the first one.
 */
export function networkConfig(version: 1 | 2, cards: readonly StaticCard[]): string {
  const config =
    version === 1 ? { version, config: cards.map(physical) } : { version, ethernets: ethernets(cards) };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

function physical({ mac, address, prefix, gateway, nameserver }: StaticCard, index: number): object {
  const subnet = {
    type: 'static',
    address: `${address}/${prefix}`,
    gateway,
    ...(nameserver === undefined ? {} : { dns_nameservers: [nameserver] }),
  };
  return { type: 'physical', name: `eth${index}`, mac_address: mac, subnets: [subnet] };
}

function ethernets(cards: readonly StaticCard[]): object {
  return Object.fromEntries(cards.map((card, index) => [`card${index}`, ethernet(card, index)]));
}

function ethernet({ mac, address, prefix, gateway, nameserver }: StaticCard, index: number): object {
  return {
    match: { macaddress: mac },
    addresses: [`${address}/${prefix}`],
    // the older name of a default route, which every version knows
    ...(gateway === undefined ? {} : { gateway4: gateway }),
    ...(nameserver === undefined ? {} : { nameservers: { addresses: [nameserver] } }),
    dhcp4: false,
    dhcp6: false,
    // a boot that waits for a card in vain takes minutes, and so does one that has none to wait for
    ...(index === 0 ? {} : { optional: true }),
  };
}
