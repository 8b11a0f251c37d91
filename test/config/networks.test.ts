import { describe, expect, test } from 'vitest';
import { parseDocument } from '../../src/config/document.ts';
import { networksOf } from '../../src/config/networks.ts';
import type { NetworkCard } from '../../src/config/vm-spec.ts';
import { formatIpv4, parseIpv4 } from '../../src/options/ipv4.ts';

describe('addresses', () => {
  test('are given in the order of the file, around those that are set, from the second on', () => {
    const cards = cardsOf(`
      [networks.lan]
      [vms.a]
      networks = ["lan"]
      [vms.b]
      networks = [{ name = "lan" }]
      [vms.c]
      networks = [{ name = "lan", address = "10.77.0.3" }]
      [vms.d]
    `);
    expect(addressesOf(cards)).toEqual({ a: ['10.77.0.2/24'], b: ['10.77.0.4/24'], c: ['10.77.0.3/24'] });
  });

  test('the first address of a network is for the VM that asks for it', () => {
    const cards = cardsOf(`
      [networks.lan]
      [vms.a]
      networks = ["lan"]
      [vms.router]
      networks = [{ name = "lan", address = "10.77.0.1" }]
    `);
    expect(addressesOf(cards)).toEqual({ a: ['10.77.0.2/24'], router: ['10.77.0.1/24'] });
  });

  test('networks without a range get one that no other has', () => {
    const cards = cardsOf(`
      [networks.one]
      [networks.two]
      [networks.said]
      subnet = "10.77.0.0/23"
      [vms.a]
      networks = ["one", "two", "said"]
    `);
    expect(addressesOf(cards)).toEqual({ a: ['10.77.2.2/24', '10.77.3.2/24', '10.77.0.2/23'] });
  });

  test('a whole /8 and a /30 are possible', () => {
    const cards = cardsOf(`
      [networks.large]
      subnet = "11.0.0.0/8"
      [networks.small]
      subnet = "192.168.0.4/30"
      [vms.a]
      networks = [{ name = "large", address = "11.255.255.254" }, "small"]
    `);
    expect(addressesOf(cards)).toEqual({ a: ['11.255.255.254/8', '192.168.0.6/30'] });
  });
});

describe('hardware addresses', () => {
  const file = `
    [networks.lan]
    [networks.wan]
    [vms.a]
    networks = ["lan", "wan"]
    [vms.b]
    networks = ["lan"]
  `;

  test('differ between cards and projects, and are the same in every run', () => {
    const macs = [...cardsOf(file), ...cardsOf(file, 'other')].flatMap(([, cards]) =>
      cards.map(({ mac }) => mac),
    );
    expect(new Set(macs).size).toBe(6);
    expect(cardsOf(file)).toEqual(cardsOf(file));
    for (const mac of macs) expect(mac).toMatch(/^52:54:00(:[0-9a-f]{2}){3}$/);
  });

  test('differ also where two would be the same', () => {
    // in a project of this name two of the first choices are equal
    const vms = Array.from({ length: 1500 }, (_none, index) => `[vms.v${index}]\nnetworks = ["lan"]\n`);
    const macs = [...cardsOf(`[networks.lan]\nsubnet = "11.0.0.0/8"\n${vms.join('')}`, 'p10')].flatMap(
      ([, cards]) => cards.map(({ mac }) => mac),
    );
    expect(new Set(macs).size).toBe(1500);
  });
});

test('each card knows all VMs of its network, and no others', () => {
  const cards = cardsOf(`
    [networks.lan]
    [networks.wan]
    [vms.a]
    networks = ["lan", "wan"]
    [vms.b]
    networks = ["wan"]
  `);
  expect(cards.get('a')?.map(({ peers }) => peers)).toEqual([
    [{ name: 'a', address: '10.77.0.2' }],
    [
      { name: 'a', address: '10.77.1.2' },
      { name: 'b', address: '10.77.1.3' },
    ],
  ]);
});

test.for(['10.0.0.1', '255.255.255.255', '0.0.0.0', '172.16.200.9'])('%s is an address', (text) => {
  expect(formatIpv4(parseIpv4(text) ?? -1)).toBe(text);
});

test.for([
  '',
  '10.0.0',
  '10.0.0.256',
  '10.0.0.01',
  '0x0a.0.0.1',
  ' 10.0.0.1',
  '10.0.0.1 ',
  '1.2.3.4.5',
  '::1',
])('"%s" is no address', (text) => {
  expect(parseIpv4(text)).toBeUndefined();
});

function cardsOf(text: string, project = 'work'): ReadonlyMap<string, readonly NetworkCard[]> {
  const document = parseDocument(text, 'file');
  if (!document.ok) throw new Error(JSON.stringify(document.problems));
  const { cards, problems } = networksOf(document.value, project);
  expect(problems).toEqual([]);
  return cards;
}

function addressesOf(cards: ReadonlyMap<string, readonly NetworkCard[]>): Record<string, string[]> {
  return Object.fromEntries(
    [...cards].map(([vm, of]) => [vm, of.map(({ address, prefix }) => `${address}/${prefix}`)]),
  );
}
