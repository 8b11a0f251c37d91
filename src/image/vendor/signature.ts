import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CatalogImage } from '../../catalog/catalog-image.ts';
import { readKey } from '../../catalog/keys.ts';
import { runToEnd } from '../../host/run.ts';
import { badSignature, noSignature } from './faults.ts';
import { keyring } from './openpgp-keys.ts';

/** A line of gpgv's status (GnuPG, doc/DETAILS): its keyword and arguments. */
interface Status {
  readonly keyword: string;
  readonly args: readonly string[];
}

const CLEAR_SIGNED = /^-----BEGIN PGP SIGNED MESSAGE-----\s*$/gm;

/** Verifies a text by its detached signature. */
export async function verifyDetached(
  image: CatalogImage,
  url: string,
  { text, signature }: { readonly text: string; readonly signature: string },
  signal: AbortSignal,
): Promise<void> {
  await using directory = await VerificationDirectory.open(image);
  const [signatureFile, textFile] = [directory.file('signature'), directory.file('text')];
  await Promise.all([writeFile(signatureFile, signature), writeFile(textFile, text)]);
  const end = await gpgv(directory, [signatureFile, textFile], signal);
  if (!isTrusted(end.statuses, image)) throw badSignature(url, image, end.complaints);
}

/** Verifies a clear-signed document and returns the part that is signed. */
export async function verifyClearSigned(
  image: CatalogImage,
  url: string,
  document: string,
  signal: AbortSignal,
): Promise<string> {
  const messages = document.match(CLEAR_SIGNED)?.length ?? 0;
  if (messages === 0) throw noSignature(url);
  if (messages > 1) throw badSignature(url, image, ['it contains several signed messages']);
  await using directory = await VerificationDirectory.open(image);
  const [documentFile, signedFile] = [directory.file('document'), directory.file('signed')];
  await writeFile(documentFile, document);
  const end = await gpgv(directory, ['--output', signedFile, documentFile], signal);
  if (!isTrusted(end.statuses, image)) throw badSignature(url, image, end.complaints);
  return await readFile(signedFile, 'utf8');
}

/** A private directory with the keys of a vendor. */
class VerificationDirectory implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async open({ keys }: CatalogImage): Promise<VerificationDirectory> {
    const content = keyring(keys.map(readKey));
    const directory = new VerificationDirectory(await mkdtemp(join(tmpdir(), 'transient-gpgv-')));
    await writeFile(directory.file('keys.gpg'), content);
    return directory;
  }

  file(name: string): string {
    return join(this.path, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

async function gpgv(
  directory: VerificationDirectory,
  args: readonly string[],
  signal: AbortSignal,
): Promise<{ statuses: Status[]; complaints: string[] }> {
  // its own home, so that no key of the user is trusted
  const common = ['--homedir', directory.path, '--keyring', directory.file('keys.gpg'), '--status-fd', '1'];
  const { stdout, stderr } = await runToEnd('gpgv', [...common, ...args], signal);
  return { statuses: statusesIn(stdout), complaints: stderr.trimEnd().split('\n') };
}

function statusesIn(output: string): Status[] {
  return output.split('\n').flatMap((line) => {
    const [prefix, keyword, ...args] = line.split(' ');
    return prefix === '[GNUPG:]' && keyword !== undefined ? [{ keyword, args }] : [];
  });
}

/**
 * Whether no signature is bad, and one is valid by a key with one of the fingerprints. A key that has expired is accepted:
 * vendors extend theirs, and ours is a copy from before.
 */
function isTrusted(statuses: readonly Status[], { fingerprints }: CatalogImage): boolean {
  let verdict = '';
  let isValid = false;
  for (const { keyword, args } of statuses) {
    if (keyword === 'BADSIG') return false;
    if (/^(?:GOOD|EXP|EXPKEY|REVKEY|ERR)SIG$/.test(keyword)) verdict = keyword;
    if (keyword !== 'VALIDSIG') continue;
    // the last argument is the fingerprint of the primary key
    const primary = args.at(-1) ?? '';
    isValid ||= ['GOODSIG', 'EXPKEYSIG'].includes(verdict) && fingerprints.includes(primary);
  }
  return isValid;
}
