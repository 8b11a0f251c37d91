import type { SeededGuest } from '../config/seeded-guest.ts';
import type { KeyPair } from '../host/key-pair.ts';
import type { StaticCard } from './network-config.ts';
import { networkConfig } from './network-config.ts';

/** Facts that a seed tells a guest. */
export interface SeedFacts {
  /** Name of the machine; cloud-init runs its first-boot modules again for another instance. */
  readonly hostname: string;
  readonly instanceId: string;
  readonly user: string;
  readonly guest: SeededGuest;
  /** Public key of the user's login, as `TYPE BASE64`. */
  readonly loginKey: string;
  readonly hostKey: KeyPair;
  readonly cards: readonly StaticCard[];
  /** The user's own document: a cloud-config, a script or MIME. */
  readonly userData?: string | Uint8Array | undefined;
}

/** Marks a document as a cloud-config. */
const HEADER = '#cloud-config\n';

/** The documents of a NoCloud seed (cloud-init, NoCloud datasource), by file name. */
export function nocloudDocuments(facts: SeedFacts): Record<string, string | Uint8Array> {
  const { instanceId, hostname, guest, cards, userData } = facts;
  return {
    'meta-data': json({ 'instance-id': instanceId, 'local-hostname': hostname }),
    'network-config': networkConfig(guest.networkConfig, cards),
    ...(guest.setUpBy === 'nuageinit'
      ? { 'user-data': userData ?? HEADER + json(forNuageinit(facts)) }
      : { 'user-data': userData ?? `${HEADER}{}\n`, 'vendor-data': HEADER + json(vendorData(facts)) }),
  };
}

/** Our own cloud-config. It is vendor-data, so that any key of the user's own wins (cloud-init, vendor data). */
function vendorData({ user, loginKey, hostKey, guest }: SeedFacts): object {
  return {
    users: [userOf(user, loginKey, guest)],
    disable_root: user !== 'root',
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: hostKey.private, ed25519_public: hostKey.public },
    no_ssh_fingerprints: true,
    ssh: { emit_keys_to_console: false },
    // only the line of its own name, which sudo looks up
    manage_etc_hosts: 'localhost',
    package_update: false,
    package_upgrade: false,
    apt: { preserve_sources_list: true },
  };
}

function userOf(name: string, loginKey: string, { shell, privilege }: SeededGuest): object {
  const login = { name, ssh_authorized_keys: [loginKey] };
  if (name === 'root') return login;
  return {
    ...login,
    shell,
    ...(privilege === 'sudo' ? { sudo: 'ALL=(ALL) NOPASSWD:ALL' } : {}),
    ...(privilege === 'doas' ? { doas: [`permit nopass ${name}`] } : {}),
    // no password at all; "!" would lock the account for an sshd without PAM
    lock_passwd: false,
    hashed_passwd: '*',
  };
}

/**
 * Our cloud-config for nuageinit(7), which has no vendor-data and creates users without a password. Members of wheel can
 * use su.
 */
function forNuageinit({ user, loginKey, hostKey, guest: { shell } }: SeedFacts): object {
  const login = { name: user, ssh_authorized_keys: [loginKey] };
  return {
    users: [user === 'root' ? login : { ...login, groups: 'wheel', shell }],
    ssh_keys: { ed25519_private: hostKey.private, ed25519_public: hostKey.public },
  };
}

function json(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
