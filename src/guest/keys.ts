import { access, constants, open, readFile, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { exists } from '../host/exists.ts';
import { VAGRANT_PRIVATE_KEY } from './vagrant-key.ts';

/** File names that ssh itself looks for in `~/.ssh` (ssh_config(5), IdentityFile), the likely ones first. */
const OWN_KEYS = ['id_ed25519', 'id_rsa', 'id_ecdsa', 'id_ed25519_sk', 'id_ecdsa_sk'];

/** Maximum number of keys offered: a server disconnects after six (sshd_config(5), MaxAuthTries). */
const MOST_KEYS = 4;

/**
 * Keys that a login offers: those of the VM, including those named by the user's options; also the user's own in
 * `~/.ssh`; also those of an agent. The guest sees each public key that is offered.
 */
export type Offer = 'vm' | 'user' | 'agent';

/** Offers of consecutive logins; those for which the user has no keys are omitted. */
export async function offersOf(environment: NodeJS.ProcessEnv): Promise<readonly Offer[]> {
  const hasKeys = (await ownKeyFiles()).length > 0;
  return [
    'vm',
    ...(hasKeys ? ['user' as const] : []),
    ...(environment['SSH_AUTH_SOCK'] ? ['agent' as const] : []),
  ];
}

/**
 * Private keys as files, for the ssh program: the guest's own key, if it has one; the Vagrant key, written into a
 * directory; then the user's own.
 */
export async function keyFilesOf(
  directory: string,
  loginKey: string,
  offer: Offer = 'user',
): Promise<string[]> {
  return [
    ...((await exists(loginKey)) ? [loginKey] : []),
    await vagrantKeyIn(directory),
    ...(offer === 'vm' ? [] : await ownKeyFiles()),
  ];
}

/**
 * Reads the private keys: the guest's own, Vagrant's, those in the given files, and the user's own if they are offered.
 */
export async function readPrivateKeys(
  loginKey: string,
  further: readonly string[],
  offer: Offer,
): Promise<string[]> {
  const files = [loginKey, ...further, ...(offer === 'vm' ? [] : await ownKeyFiles())];
  const keys = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => undefined)));
  const [guestKey, ...others] = keys;
  return [guestKey, VAGRANT_PRIVATE_KEY, ...others].filter((key) => key !== undefined);
}

/** Key files named by options of the ssh program (`IdentityFile=PATH`); `~` is the home directory. */
export function optionKeyFiles(options: readonly string[]): string[] {
  return options.flatMap((option) => {
    const path = /^\s*IdentityFile[\s=]+"?(.+?)"?\s*$/i.exec(option)?.[1];
    return path === undefined ? [] : [resolve(path.replace(/^~(?=\/)/, homedir()))];
  });
}

async function ownKeyFiles(): Promise<string[]> {
  const candidates = OWN_KEYS.map((name) => join(homedir(), '.ssh', name));
  const readable = await Promise.all(
    candidates.map(async (file) =>
      access(file, constants.R_OK)
        .then(() => true)
        .catch(() => false),
    ),
  );
  return candidates.filter((_file, index) => readable[index]).slice(0, MOST_KEYS);
}

/** Writes the Vagrant key with mode 0600: the ssh program rejects a key that others can read. */
async function vagrantKeyIn(directory: string): Promise<string> {
  const path = join(directory, 'vagrant-key');
  // atomically: another process may be reading it
  const written = `${path}-${process.pid}`;
  await using file = await open(written, 'w', 0o600);
  await file.chmod(0o600);
  await file.writeFile(VAGRANT_PRIVATE_KEY);
  await rename(written, path);
  return path;
}
