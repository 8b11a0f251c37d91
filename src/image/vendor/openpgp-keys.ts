const BLOCK = /-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n([\s\S]*?)-----END PGP PUBLIC KEY BLOCK-----/g;

/** Joins ASCII-armoured public keys to a keyring, which gpgv reads only in its binary form. */
export function keyring(keys: readonly string[]): Buffer {
  return Buffer.concat(
    keys.flatMap((key) => [...key.matchAll(BLOCK)].map(([, block = '']) => bytesOf(block))),
  );
}

/** The bytes of an armoured block, without its headers and its checksum (RFC 9580 section 6.2). */
function bytesOf(block: string): Buffer {
  const lines = block.split(/\r?\n/);
  const end = lines.findIndex((line) => line.trim() === '');
  const body = lines.slice(end + 1).filter((line) => !line.startsWith('='));
  return Buffer.from(body.join(''), 'base64');
}
