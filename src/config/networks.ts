import { createHash } from 'node:crypto';
import * as z from 'zod';
import { lazily } from '../lazily.ts';
import { didYouMean } from '../options/issues.ts';
import type { Ipv4, Subnet } from '../options/ipv4.ts';
import {
  broadcastOf,
  formatIpv4,
  formatSubnet,
  isWithin,
  overlap,
  sizeOf,
  subnetAround,
} from '../options/ipv4.ts';
import { SHORTEST_PREFIX, address, subnet } from '../options/values/subnet.ts';
import type { KeyPath, Problem } from '../problem.ts';
import type { Document } from './document.ts';
import { inFile } from './locate.ts';
import { distinct, itemsOf, tableOf } from './vm-keys.ts';
import type { NetworkCard } from './vm-spec.ts';

/** Default subnet of QEMU's user-mode network, used by every ssh card. */
const SSH_CARD: Subnet = { network: 10 * 2 ** 24 + 2 * 2 ** 8, prefix: 24 };

/** Schema of a table in `[networks]`. */
export const networkShape = lazily(() =>
  z.strictObject({
    subnet: subnet().optional().describe('subnet of the network [default: a free /24 in 10.77.0.0/16]'),
  }),
);

/** Schema of the key `networks` of a VM. */
export const memberships = lazily(() =>
  z
    .array(
      z.union([z.string(), z.strictObject({ name: z.string(), address: address().optional() })], {
        error: 'must be the name of a network, or a table such as { name = "lan", address = "10.77.0.5" }',
      }),
    )
    .optional()
    .describe(
      'networks of this file that the VM is connected to: a name, or { name = "lan", address = "10.77.0.5" }',
    ),
);

/** A network as far as it is valid: other parts of the file may be invalid. */
interface Network {
  readonly name: string;
  /** Undefined if it was set but is invalid. */
  readonly subnet: Subnet | undefined;
}

/** A VM's membership in a network. */
interface Member {
  readonly vm: string;
  readonly network: string;
  readonly path: KeyPath;
  /** Address in the file: undefined if none is set, `'unreadable'` if invalid, which is reported elsewhere. */
  readonly requested: Ipv4 | 'unreadable' | undefined;
}

/** Network cards of each VM of a file, and the problems found. */
export interface Networks {
  readonly cards: ReadonlyMap<string, readonly NetworkCard[]>;
  readonly problems: readonly Problem[];
}

/** Resolves the networks of a document, even if other parts of it are invalid. `project` is hashed into the MACs. */
export function networksOf(document: Document, project: string): Networks {
  const networks = networksIn(document);
  const members = membersIn(document);
  const given = networks.map((network) => addressesIn(document, network, members));
  return {
    cards: cardsOf(networks, members, new Map(given.flatMap(({ addresses }) => [...addresses])), project),
    problems: distinct([
      ...overlaps(document, networks),
      ...unknownNetworks(document, networks, members),
      ...given.flatMap(({ problems }) => problems),
    ]),
  };
}

/** The networks of a document; those without a subnet are assigned a free one. */
function networksIn({ data }: Document): Network[] {
  const declared = Object.entries(tableOf(data['networks'])).map(([name, keys]) => {
    const { subnet: written } = tableOf(keys);
    return { name, isFree: written === undefined, range: subnet().safeParse(written).data };
  });
  const taken = declared.flatMap(({ range }) => range ?? []);
  return declared.map(({ name, isFree, range }) => {
    if (!isFree) return { name, subnet: range };
    const free = freeSubnet(taken);
    taken.push(free);
    return { name, subnet: free };
  });
}

/** First automatically assigned subnet: 10.77.0.0/24, then 10.77.1.0/24 and so on. */
const FIRST_FREE: Subnet = { network: 10 * 2 ** 24 + 77 * 2 ** 16, prefix: 24 };

function freeSubnet(taken: readonly Subnet[]): Subnet {
  let free = FIRST_FREE;
  while (taken.some((other) => overlap(free, other)))
    free = { ...free, network: free.network + sizeOf(free) };
  return free;
}

function membersIn(document: Document): Member[] {
  return Object.keys(tableOf(document.data['vms'])).flatMap((vm) =>
    itemsOf(document, vm, 'networks').flatMap(({ value, path }): Member[] => {
      const { name, address: text } = typeof value === 'string' ? { name: value } : tableOf(value);
      return typeof name === 'string' ? [{ vm, network: name, path, requested: addressOf(text) }] : [];
    }),
  );
}

function addressOf(text: unknown): Member['requested'] {
  if (text === undefined) return undefined;
  return address().safeParse(text).data ?? 'unreadable';
}

function overlaps(document: Document, networks: readonly Network[]): Problem[] {
  return networks.flatMap(({ name, subnet: range }, index): Problem[] => {
    if (range === undefined) return [];
    const where = inFile(document, ['networks', name, 'subnet'], 'value');
    const hint = 'give each network its own subnet, or none to have a free one chosen';
    const conflict = (other: string): Problem[] => [
      { reason: 'conflict', message: `network "${name}" overlaps ${other}`, where, hint },
    ];
    if (overlap(range, SSH_CARD))
      return conflict(`${formatSubnet(SSH_CARD)}, which every VM uses for its ssh card`);
    const earlier = networks.slice(0, index).find((other) => other.subnet && overlap(range, other.subnet));
    return earlier?.subnet ? conflict(`"${earlier.name}" (${formatSubnet(earlier.subnet)})`) : [];
  });
}

function unknownNetworks(
  document: Document,
  networks: readonly Network[],
  members: readonly Member[],
): Problem[] {
  const names = networks.map(({ name }) => name);
  return members.flatMap(({ vm, network, path }, index): Problem[] => {
    const where = inFile(document, path, 'value');
    if (!names.includes(network)) {
      const none = 'add a table such as [networks.lan], which may be empty';
      const hint =
        didYouMean(network, names) ??
        (names.length > 0 ? `networks of this file: ${names.join(', ')}` : none);
      return [{ reason: 'unknown-reference', message: `there is no network "${network}"`, where, hint }];
    }
    const before = members.slice(0, index);
    if (!before.some((earlier) => earlier.vm === vm && earlier.network === network)) return [];
    const message = `VM "${vm}" is already in network "${network}"`;
    return [{ reason: 'conflict', message, where, hint: 'list each network once' }];
  });
}

/** Address of each member: the one it requests, else the next free one in file order. */
function addressesIn(
  document: Document,
  { name, subnet: range }: Network,
  all: readonly Member[],
): { addresses: Map<Member, Ipv4>; problems: Problem[] } {
  const members = all.filter((member) => member.network === name);
  const addresses = new Map<Member, Ipv4>();
  const problems: Problem[] = [];
  if (range === undefined) return { addresses, problems };
  const taken = new Map<Ipv4, Member>();
  for (const member of members) {
    if (typeof member.requested !== 'number') continue;
    const wrong = wrongAddress(member.requested, name, range, taken.get(member.requested));
    const where = inFile(document, [...member.path, 'address'], 'value');
    if (wrong === undefined) addresses.set(member, member.requested);
    else problems.push({ where, ...wrong });
    if (!taken.has(member.requested)) taken.set(member.requested, member);
  }
  // the first address is reserved for a gateway
  let next = range.network + 2;
  for (const member of members.filter(({ requested }) => requested === undefined)) {
    while (taken.has(next)) next++;
    if (next >= broadcastOf(range)) {
      problems.push(noneLeft(document, member, range));
      break;
    }
    addresses.set(member, next);
    taken.set(next, member);
  }
  return { addresses, problems };
}

function wrongAddress(
  requested: Ipv4,
  network: string,
  range: Subnet,
  owner: Member | undefined,
): Omit<Problem, 'where'> | undefined {
  const text = formatIpv4(requested);
  const hint = `usable addresses: ${formatIpv4(range.network + 1)} to ${formatIpv4(broadcastOf(range) - 1)}`;
  if (!isWithin(requested, range)) {
    const message = `address ${text} is not in the network "${network}" (${formatSubnet(range)})`;
    return { reason: 'invalid-value', message, hint };
  }
  if (requested === range.network || requested === broadcastOf(range)) {
    const role = requested === range.network ? 'is the network address' : 'is the broadcast address';
    return { reason: 'invalid-value', message: `address ${text} ${role}`, hint };
  }
  if (owner === undefined) return undefined;
  return {
    reason: 'conflict',
    message: `address ${text} is already used by VM "${owner.vm}"`,
    hint: 'use another address, or none to have a free one chosen',
  };
}

function noneLeft(document: Document, { vm, network, path }: Member, range: Subnet): Problem {
  return {
    reason: 'conflict',
    message: `network "${network}" (${formatSubnet(range)}) has no address left for VM "${vm}"`,
    where: inFile(document, path, 'value'),
    hint: `make it larger: [networks.${network}] subnet = "${formatSubnet(subnetAround(range.network, Math.max(SHORTEST_PREFIX, range.prefix - 4)))}"`,
  };
}

function cardsOf(
  networks: readonly Network[],
  members: readonly Member[],
  addresses: ReadonlyMap<Member, Ipv4>,
  project: string,
): Map<string, NetworkCard[]> {
  const macs = macsOf(members, project);
  const cards = new Map<string, NetworkCard[]>();
  const peers = peersOf(networks, members, addresses);
  for (const member of members) {
    const range = networks.find(({ name }) => name === member.network)?.subnet;
    const ip = addresses.get(member);
    if (range === undefined || ip === undefined) continue;
    const card: NetworkCard = {
      name: member.network,
      address: formatIpv4(ip),
      prefix: range.prefix,
      mac: macs.get(member) ?? '',
      peers: peers.get(member.network) ?? [],
    };
    cards.set(member.vm, [...(cards.get(member.vm) ?? []), card]);
  }
  return cards;
}

/** Names and addresses of the VMs in each network. */
function peersOf(
  networks: readonly Network[],
  members: readonly Member[],
  addresses: ReadonlyMap<Member, Ipv4>,
): Map<string, NetworkCard['peers']> {
  const peersIn = (network: string): NetworkCard['peers'] =>
    members.flatMap((member) => {
      const at = member.network === network ? addresses.get(member) : undefined;
      return at === undefined ? [] : [{ name: member.vm, address: formatIpv4(at) }];
    });
  return new Map(networks.map(({ name }) => [name, peersIn(name)]));
}

/** MAC of each card, stable across runs: QEMU's locally administered prefix and three hashed bytes. */
function macsOf(members: readonly Member[], project: string): Map<Member, string> {
  const macs = new Map<Member, string>();
  const taken = new Set<string>();
  for (const member of members) {
    let mac: string;
    let round = 0;
    do {
      const key = JSON.stringify([project, member.network, member.vm, round++]);
      const bytes = createHash('sha256').update(key).digest('hex').slice(0, 6);
      mac = `52:54:00:${bytes.replaceAll(/..(?=.)/g, '$&:')}`;
    } while (taken.has(mac) || RESERVED_MAC.test(mac));
    taken.add(mac);
    macs.set(member, mac);
  }
  return macs;
}

/** MACs that QEMU assigns by default (net/net.c) or our DHCP server uses (network/dhcp.ts). */
const RESERVED_MAC = /^52:54:00:(12:34:|00:00:)/;
