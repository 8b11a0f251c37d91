import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { CatalogImage } from '../../../src/catalog/catalog.ts';
import { Catalog } from '../../../src/catalog/catalog.ts';
import { verifyClearSigned, verifyDetached } from '../../../src/image/vendor/signature.ts';
import { pathWithout } from '../../rig/path-without.ts';
import { SigningKey } from '../../rig/signing-key.ts';

const TEXT = `${'a'.repeat(64)}  image.qcow2\n`;
const URL = 'https://example.org/SHA256SUMS';
const NOT_VALID = `the signature of ${URL} is not valid`;

let directory: string;
let vendor: SigningKey;
let stranger: SigningKey;

beforeAll(() => {
  directory = mkdtempSync('/tmp/tr-keys-');
  vendor = new SigningKey();
  stranger = new SigningKey('Stranger <stranger@example.org>');
});

afterAll(() => {
  vendor[Symbol.dispose]();
  stranger[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

/** An image that must be signed by a key with a fingerprint, for which these keys are known. */
function image(keys: readonly SigningKey[] = [vendor], fingerprint = vendor.fingerprint): CatalogImage {
  const found = Catalog.open({}).find('ubuntu', 'x86_64');
  if (!found.ok) throw new Error('there is no Ubuntu');
  const files = keys.map((key) => {
    const path = join(directory, `${key.fingerprint}.asc`);
    writeFileSync(path, key.publicKey);
    return { kind: 'file', path } as const;
  });
  return { ...found.value, keys: files, fingerprints: [fingerprint] };
}

function detached(signature: string, text = TEXT, of = image()): Promise<void> {
  return verifyDetached(of, URL, { text, signature }, new AbortController().signal);
}

function clearSigned(document: string, of = image()): Promise<string> {
  return verifyClearSigned(of, URL, document, new AbortController().signal);
}

test('a signature of the vendor', async () => {
  await detached(vendor.detached(TEXT));
  expect(await clearSigned(vendor.clearSigned(TEXT))).toBe(TEXT);
});

test('one of several keys is sufficient', async () => {
  await detached(vendor.detached(TEXT), TEXT, image([stranger, vendor]));
  await detached(`${stranger.detached(TEXT)}${vendor.detached(TEXT)}`);
});

test('a signature by a key that nobody knows', async () => {
  await expect(detached(stranger.detached(TEXT))).rejects.toThrow(NOT_VALID);
  await expect(clearSigned(stranger.clearSigned(TEXT))).rejects.toThrow(NOT_VALID);
});

test('a signature by a known key that has another fingerprint', async () => {
  const of = image([vendor, stranger]);
  await expect(detached(stranger.detached(TEXT), TEXT, of)).rejects.toThrow(NOT_VALID);
  await expect(clearSigned(stranger.clearSigned(TEXT), of)).rejects.toThrow(NOT_VALID);
});

test('the signature of another text', async () => {
  await expect(detached(vendor.detached(TEXT), TEXT.replace('a', 'b'))).rejects.toMatchObject({
    problem: { message: NOT_VALID, hint: expect.stringContaining(vendor.fingerprint) as string },
  });
  const changed = vendor.clearSigned(TEXT).replace('aaa', 'bbb');
  await expect(clearSigned(changed)).rejects.toThrow(NOT_VALID);
});

test.each(['', 'nothing', '-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n'])(
  'no signature: %j',
  async (signature) => {
    await expect(detached(signature)).rejects.toThrow(NOT_VALID);
    await expect(clearSigned(signature)).rejects.toThrow('there is no signature at');
  },
);

test('text before and after the signed part is not returned', async () => {
  const forged = `${'b'.repeat(64)}  image.qcow2\n`;
  const text = await clearSigned(`${forged}${vendor.clearSigned(TEXT)}${forged}`);
  expect(text).toBe(TEXT);
});

test('several signed messages in one document', async () => {
  const both = `${stranger.clearSigned(TEXT.replace('a', 'b'))}${vendor.clearSigned(TEXT)}`;
  await expect(clearSigned(both)).rejects.toThrow(NOT_VALID);
  const other = both.replace('-----BEGIN PGP SIGNED MESSAGE-----', '-----BEGIN PGP SIGNED MESSAGE-----\t');
  await expect(clearSigned(other)).rejects.toThrow(NOT_VALID);
});

test('lines that begin with hyphens are those of the vendor', async () => {
  expect(await clearSigned(vendor.clearSigned('- a\n-- b\n'))).toBe('- a\n-- b\n');
});

test('a key that has expired since', async () => {
  using expired = new SigningKey('Expired <expired@example.org>', { isExpired: true });
  const of = image([expired], expired.fingerprint);
  await detached(expired.detached(TEXT), TEXT, of);
  await expect(detached(expired.detached(TEXT), 'other', of)).rejects.toThrow(NOT_VALID);
});

test('a host without gpgv', async () => {
  vi.stubEnv('PATH', pathWithout(join(directory, 'programs'), process.env['PATH'] ?? '', 'gpgv'));
  await expect(detached(vendor.detached(TEXT))).rejects.toMatchObject({
    problem: {
      reason: 'missing-program',
      message: "Required program 'gpgv' is not installed",
      hint: 'it is in the package gpgv (Debian), gnupg2 (Fedora) or gnupg (Arch)',
    },
  });
  vi.unstubAllEnvs();
});
