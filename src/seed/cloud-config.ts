import type { KeyPair } from '../host/key-pair.ts';
import type { StaticCard } from './network-config.ts';
import { networkConfig } from './network-config.ts';

/** Facts that a seed tells a guest. */
export interface SeedFacts {
  /** Name of the machine; cloud-init runs its first-boot modules again for another instance. */
  readonly hostname: string;
  readonly instanceId: string;
  readonly user: string;
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
  return {
    'meta-data': json({ 'instance-id': facts.instanceId, 'local-hostname': facts.hostname }),
    'vendor-data': HEADER + json(vendorData(facts)),
    'network-config': networkConfig(2, facts.cards),
    'user-data': facts.userData ?? `${HEADER}{}\n`,
  };
}

/** Our own cloud-config. It is vendor-data, so that any key of the user's own wins (cloud-init, vendor data). */
function vendorData({ user, loginKey, hostKey }: SeedFacts): object {
  return {
    users: [userOf(user, loginKey)],
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

function userOf(name: string, loginKey: string): object {
  const login = { name, ssh_authorized_keys: [loginKey] };
  if (name === 'root') return login;
  return {
    ...login,
    shell: '/bin/bash',
    sudo: 'ALL=(ALL) NOPASSWD:ALL',
    doas: [`permit nopass ${name}`],
    // no password at all; "!" would lock the account for an sshd without PAM
    lock_passwd: false,
    hashed_passwd: '*',
  };
}

function json(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
