import { access, constants, open, readFile, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { exists } from '../host/exists.ts';
import { VAGRANT_PRIVATE_KEY } from './vagrant-key.ts';

/** The names that ssh itself looks for in `~/.ssh` (ssh_config(5), IdentityFile), the likely ones first. */
const OWN_KEYS = ['id_ed25519', 'id_rsa', 'id_ecdsa', 'id_ed25519_sk', 'id_ecdsa_sk'];

/** More keys than these are not offered: a server hangs up after six (sshd_config(5), MaxAuthTries). */
const MOST_KEYS = 4;

/**
 * Whose keys a login offers: those of the VM, which include what options of the user name; the user's own in `~/.ssh` too;
 * those of an agent too. A guest learns of each public key that it is offered.
 */
export type Offer = 'vm' | 'user' | 'agent';

/** The offers of one login after the other; what the user does not have is left out. */
export async function offersOf(environment: NodeJS.ProcessEnv): Promise<readonly Offer[]> {
  const hasKeys = (await ownKeyFiles()).length > 0;
  return [
    'vm',
    ...(hasKeys ? ['user' as const] : []),
    ...(environment['SSH_AUTH_SOCK'] ? ['agent' as const] : []),
  ];
}

/**
 * Private keys as files, which is how the ssh program takes them: the one that the guest was given, if it was; the Vagrant
 * key, written into a directory; then the user's own.
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

/** The private keys themselves: that of the guest, Vagrant's, those in the given files, and the user's own where they are offered. */
export async function readPrivateKeys(
  loginKey: string,
  further: readonly string[],
  offer: Offer,
): Promise<string[]> {
  const files = [loginKey, ...further, ...(offer === 'vm' ? [] : await ownKeyFiles())];
  const keys = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => undefined)));
  const [own, ...others] = keys;
  return [own, VAGRANT_PRIVATE_KEY, ...others].filter((key) => key !== undefined);
}

/** The key files that options of the ssh program name (`IdentityFile=PATH`); `~` is the home directory. */
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

/** The ssh program refuses a key that others may read, whatever our umask is. */
async function vagrantKeyIn(directory: string): Promise<string> {
  const path = join(directory, 'vagrant-key');
  // in one step: another process may be reading it
  const written = `${path}-${process.pid}`;
  await using file = await open(written, 'w', 0o600);
  await file.chmod(0o600);
  await file.writeFile(VAGRANT_PRIVATE_KEY);
  await rename(written, path);
  return path;
}
