import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { SeededGuest } from '../../src/config/seeded-guest.ts';
import { ANY_CLOUD_IMAGE } from '../../src/config/seeded-guest.ts';
import type { SeedFacts } from '../../src/seed/cloud-config.ts';
import { nocloudDocuments } from '../../src/seed/cloud-config.ts';
import { networkConfig } from '../../src/seed/network-config.ts';

const FACTS: SeedFacts = {
  hostname: 'web',
  instanceId: 'web-1',
  user: 'debian',
  guest: ANY_CLOUD_IMAGE,
  loginKey: 'ssh-ed25519 LOGIN',
  hostKey: { private: 'first line\nsecond line\n', public: 'ssh-ed25519 HOST' },
  cards: [
    {
      mac: '52:54:00:12:34:56',
      address: '10.0.2.15',
      prefix: 24,
      gateway: '10.0.2.2',
      nameserver: '10.0.2.3',
    },
    { mac: '52:54:00:aa:bb:cc', address: '10.77.0.2', prefix: 24 },
  ],
};

function documentsOf(facts: SeedFacts): Record<string, unknown> {
  const documents = Object.entries(nocloudDocuments(facts));
  return Object.fromEntries(documents.map(([name, text]) => [name, parse(text.toString())]));
}

it('tells the name of the machine', () => {
  expect(documentsOf(FACTS)['meta-data']).toEqual({ 'instance-id': 'web-1', 'local-hostname': 'web' });
});

it('has an empty user-data unless the user has one, which stays as it is', () => {
  expect(nocloudDocuments(FACTS)['user-data']).toBe('#cloud-config\n{}\n');
  const userData = '#!/bin/sh\nexit 3';
  expect(nocloudDocuments({ ...FACTS, userData })['user-data']).toBe(userData);
});

it('creates the user with our key, and gives the guest our host key and no other', () => {
  expect(nocloudDocuments(FACTS)['vendor-data']).toMatch(/^#cloud-config\n/);
  expect(documentsOf(FACTS)['vendor-data']).toEqual({
    users: [
      {
        name: 'debian',
        ssh_authorized_keys: ['ssh-ed25519 LOGIN'],
        shell: '/bin/bash',
        sudo: 'ALL=(ALL) NOPASSWD:ALL',
        lock_passwd: false,
        hashed_passwd: '*',
      },
    ],
    disable_root: true,
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: 'first line\nsecond line\n', ed25519_public: 'ssh-ed25519 HOST' },
    no_ssh_fingerprints: true,
    ssh: { emit_keys_to_console: false },
    manage_etc_hosts: 'localhost',
    package_update: false,
    package_upgrade: false,
    apt: { preserve_sources_list: true },
  });
});

it('lets root in by the same key if that is the user', () => {
  expect(documentsOf({ ...FACTS, user: 'root' })['vendor-data']).toMatchObject({
    users: [{ name: 'root', ssh_authorized_keys: ['ssh-ed25519 LOGIN'] }],
    disable_root: false,
  });
});

describe('a distribution', () => {
  const seedOf = (guest: Partial<SeededGuest>, more: Partial<SeedFacts> = {}): Record<string, unknown> =>
    documentsOf({ ...FACTS, guest: { ...ANY_CLOUD_IMAGE, ...guest }, ...more });

  it('that is like Ubuntu has bash and sudo, and cards without names', () => {
    const seed = seedOf({}, { user: 'ubuntu' });
    expect(seed['vendor-data']).toMatchObject({
      users: [{ name: 'ubuntu', shell: '/bin/bash', sudo: 'ALL=(ALL) NOPASSWD:ALL', hashed_passwd: '*' }],
    });
    expect(seed['network-config']).toMatchObject({ version: 2 });
  });

  it('that is like Alpine has doas instead of sudo, and a password that is none but does not lock', () => {
    const seed = seedOf({ shell: '/bin/sh', privilege: 'doas' }, { user: 'alpine' });
    expect(seed['vendor-data']).toMatchObject({
      users: [
        {
          name: 'alpine',
          ssh_authorized_keys: ['ssh-ed25519 LOGIN'],
          shell: '/bin/sh',
          doas: ['permit nopass alpine'],
          lock_passwd: false,
          hashed_passwd: '*',
        },
      ],
    });
    expect(JSON.stringify(seed)).not.toContain('sudo');
  });

  it('that is like Debian 11 has network-config version 1', () => {
    expect(seedOf({ networkConfig: 1 })['network-config']).toMatchObject({
      version: 1,
      config: [{ name: 'eth0', mac_address: '52:54:00:12:34:56' }, { name: 'eth1' }],
    });
  });

  it('that is like FreeBSD gets all in user-data, and only keys of nuageinit', () => {
    const freebsd = { setUpBy: 'nuageinit', shell: '/bin/sh', privilege: 'none' } as const;
    const seed = seedOf(freebsd, { user: 'freebsd' });
    expect(Object.keys(seed)).toEqual(['meta-data', 'network-config', 'user-data']);
    expect(seed['user-data']).toEqual({
      users: [
        {
          name: 'freebsd',
          ssh_authorized_keys: ['ssh-ed25519 LOGIN'],
          groups: 'wheel',
          shell: '/bin/sh',
        },
      ],
      ssh_keys: { ed25519_private: 'first line\nsecond line\n', ed25519_public: 'ssh-ed25519 HOST' },
    });
    const userData = '#cloud-config\nusers: []\n';
    expect(seedOf(freebsd, { userData })['user-data']).toEqual({ users: [] });
  });
});

it('gives each card its address by its MAC, and lets the guest wait for the first one only', () => {
  expect(documentsOf(FACTS)['network-config']).toEqual({
    version: 2,
    ethernets: {
      card0: {
        match: { macaddress: '52:54:00:12:34:56' },
        addresses: ['10.0.2.15/24'],
        gateway4: '10.0.2.2',
        nameservers: { addresses: ['10.0.2.3'] },
        dhcp4: false,
        dhcp6: false,
      },
      card1: {
        match: { macaddress: '52:54:00:aa:bb:cc' },
        addresses: ['10.77.0.2/24'],
        dhcp4: false,
        dhcp6: false,
        optional: true,
      },
    },
  });
});

it('has a form for guests that know only version 1', () => {
  expect(parse(networkConfig(1, FACTS.cards))).toEqual({
    version: 1,
    config: [
      {
        type: 'physical',
        name: 'eth0',
        mac_address: '52:54:00:12:34:56',
        subnets: [
          { type: 'static', address: '10.0.2.15/24', gateway: '10.0.2.2', dns_nameservers: ['10.0.2.3'] },
        ],
      },
      {
        type: 'physical',
        name: 'eth1',
        mac_address: '52:54:00:aa:bb:cc',
        subnets: [{ type: 'static', address: '10.77.0.2/24' }],
      },
    ],
  });
});
