import type { CatalogImage } from '../../catalog/catalog-image.ts';
import { TransientError } from '../../problem.ts';

const LATER =
  'try again later; if it stays so, the vendor has changed the form, and transient needs an update';

/*
 * URLs in these messages are those that the client shows: of mirrors, and without passwords.
 */

/** A missing or invalid signature; it may be that of an earlier version of the file. */
export class SignatureFault extends TransientError {}

/** Error for an image whose builds cannot be found or trusted. */
function fault(message: string, hint: string): TransientError {
  return new TransientError({ reason: 'image', message, hint });
}

export function isWebPage(url: string, content: string): TransientError {
  return fault(
    `${url} is a web page, not ${content}`,
    'a proxy or a login page may have answered instead of the server; check the network and the mirrors in use',
  );
}

export function unexpectedForm(url: string, content: string): TransientError {
  return fault(`${url} does not have the form of ${content}`, LATER);
}

export function noBuild({ name, architecture }: CatalogImage, url: string): TransientError {
  return fault(`the vendor offers no image of ${name} for ${architecture} at ${url}`, LATER);
}

/** Error for a requested build that the vendor does not have, or no longer. */
export function unknownBuild({ name, build = '' }: CatalogImage, newest: string): TransientError {
  return fault(
    `the vendor has no build ${build} of ${name} (any more); the newest is ${newest}`,
    `to use the newest one: transient image update ${name}`,
  );
}

export function noChecksum({ name }: CatalogImage, build: string): TransientError {
  return fault(
    `the vendor has no checksum for build ${build} of ${name}`,
    'try again later; to use the image without a check: --allow-unverified',
  );
}

export function contradictorySums(url: string, name: string): TransientError {
  return fault(
    `${url} has two different checksums for ${name}`,
    'the file is being changed or was tampered with; try again later',
  );
}

export function differentSums(url: string, index: string, name: string): TransientError {
  return fault(
    `the checksum of ${name} in ${url} differs from that in ${index}`,
    'one of them is being changed or was tampered with; try again later',
  );
}

export function noSignature(url: string): SignatureFault {
  return new SignatureFault({
    reason: 'image',
    message: `the vendor signs its checksums, but there is no signature at ${url}`,
    hint: 'a mirror must have the signatures too; nothing is downloaded without one',
  });
}

export function badSignature(
  url: string,
  { name, fingerprints }: CatalogImage,
  details: readonly string[],
): SignatureFault {
  return new SignatureFault({
    reason: 'image',
    message: `the signature of ${url} is not valid`,
    hint: `${name} must be signed by the key ${fingerprints.join(' or ')}; nothing was downloaded`,
    details,
  });
}
