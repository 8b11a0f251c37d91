import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CommandLine } from './command-line.ts';

/** Keys that cloud-init would give a guest: its host key, as a private key file, and the public key of its user. */
export interface TakenSeed {
  readonly hostKey: string;
  readonly loginKey: string;
}

/** The seed of a guest: that of its seed disk, which stays with a disk that is kept, else what stayed there. */
export function seedOf({ seed, disks, snapshot }: CommandLine): TakenSeed | undefined {
  const kept = join(dirname(disks[0] ?? ''), 'fake-seed.json');
  if (seed === undefined) {
    return existsSync(kept) ? (JSON.parse(readFileSync(kept, 'utf8')) as TakenSeed) : undefined;
  }
  const taken = readSeed(seed);
  if (!snapshot) writeFileSync(kept, JSON.stringify(taken));
  return taken;
}

function readSeed(path: string): TakenSeed {
  const [, text = ''] = /#cloud-config\n(\{\n {2}"users"[^\0]*)\0/.exec(readFileSync(path, 'utf8')) ?? [];
  const { users, ssh_keys: keys } = JSON.parse(text) as {
    users: [{ ssh_authorized_keys: [string] }];
    ssh_keys: { ed25519_private: string };
  };
  return { hostKey: keys.ed25519_private, loginKey: users[0].ssh_authorized_keys[0] };
}
