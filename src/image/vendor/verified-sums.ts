import type { CatalogImage } from '../../catalog/catalog-image.ts';
import { signatureOf } from './addresses.ts';
import type { Sum } from './checksum-file.ts';
import { ChecksumFile } from './checksum-file.ts';
import type { VendorClient } from './client.ts';
import { SignatureFault, contradictorySums, noSignature } from './faults.ts';
import { verifyClearSigned, verifyDetached } from './signature.ts';

/** A checksum file of a vendor; if the vendor signs, the signature has been verified. */
export interface VerifiedSums {
  readonly url: string;
  readonly file: ChecksumFile;
  readonly isSigned: boolean;
}

/** Fetches a checksum file and verifies its signature; undefined if there is no such file. */
export async function fetchChecksums(
  image: CatalogImage,
  url: string,
  client: VendorClient,
): Promise<VerifiedSums | undefined> {
  try {
    return await fetchOnce(image, url, client);
  } catch (error) {
    if (!(error instanceof SignatureFault)) throw error;
    // a new build may have been published between the two files
    return fetchOnce(image, url, client);
  }
}

async function fetchOnce(
  image: CatalogImage,
  url: string,
  client: VendorClient,
): Promise<VerifiedSums | undefined> {
  const text = await client.find(url, 'checksums');
  if (text === undefined) return undefined;
  const signed = await signedText(image, url, text, client);
  return {
    url: client.shown(url),
    file: ChecksumFile.parse(signed ?? text),
    isSigned: signed !== undefined,
  };
}

/** The part of a checksum file that is signed; undefined if the vendor does not sign. */
async function signedText(
  image: CatalogImage,
  url: string,
  text: string,
  client: VendorClient,
): Promise<string | undefined> {
  if (image.resolver.signature === undefined) return undefined;
  const address = client.shown(url);
  const signatureUrl = signatureOf(image, url);
  if (signatureUrl === undefined) return verifyClearSigned(image, address, text, client.signal);
  const signature = await client.find(signatureUrl, 'signature');
  if (signature === undefined) throw noSignature(client.shown(signatureUrl));
  await verifyDetached(image, address, { text, signature }, client.signal);
  return text;
}

/** The checksum of a file in a checksum file. */
export function sumIn({ url, file }: VerifiedSums, name: string): Sum | undefined {
  const sum = file.sumOf(name);
  if (sum === 'contradictory') throw contradictorySums(url, name);
  return sum;
}
