import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { writeDurably } from './durable.ts';

/** An Ed25519 key pair in OpenSSH's formats: a private key file without a passphrase, and `TYPE BASE64`. */
export interface KeyPair {
  readonly private: string;
  readonly public: string;
}

const TYPE = 'ssh-ed25519';

/** Length of an Ed25519 key in bytes (RFC 8032), with which its DER encodings end (RFC 8410). */
const KEY_LENGTH = 32;

/** Block size to which the private section is padded if it is not encrypted (OpenSSH, PROTOCOL.key). */
const BLOCK = 8;

const LINE_LENGTH = 70;

/** Generates a key pair. ssh2 has a function for that, but one in 250 of its keys cannot be read again (1.17). */
export function makeKeyPair(): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const publicHalf = publicKey.export({ format: 'der', type: 'spki' }).subarray(-KEY_LENGTH);
  const secret = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-KEY_LENGTH);
  const publicBlob = Buffer.concat([string(TYPE), string(publicHalf)]);
  const section = privateSection(publicHalf, secret);
  return { private: privateFile(publicBlob, section), public: publicLine(publicBlob) };
}

/** The key pair in a file, or a new one that is written to it; `parse` returns the public half of a private key. */
export async function keyPairIn(
  file: string,
  parse: (privateKey: string) => string | undefined | Promise<string | undefined> = publicKeyIn,
): Promise<KeyPair & { readonly isNew: boolean }> {
  const existing = await readFile(file, 'utf8').catch(() => '');
  const publicHalf = await parse(existing);
  if (publicHalf !== undefined) return { private: existing, public: publicHalf, isNew: false };
  const pair = makeKeyPair();
  await writeDurably(file, pair.private, 0o600);
  return { ...pair, isNew: true };
}

/** Public half of a private key made here, as `TYPE BASE64`; undefined for other texts. */
export function publicKeyIn(privateKey: string): string | undefined {
  const [, base64 = ''] = /^-----BEGIN [A-Z ]+-----\n([\w+/=\n]+)-----END /.exec(privateKey) ?? [];
  const [head, publicBlob] = [Buffer.from(HEAD), Buffer.from(base64, 'base64')];
  if (!publicBlob.subarray(0, head.length).equals(head)) return undefined;
  const start = head.length + 4;
  return publicLine(publicBlob.subarray(start, start + publicBlob.readUInt32BE(head.length)));
}

/** Begin of a file with one key that is not encrypted: magic, cipher, key derivation, its options, number of keys. */
const HEAD = Buffer.concat([
  Buffer.from('openssh-key-v1\0'),
  string('none'),
  string('none'),
  string(''),
  uint32(1),
]);

function privateFile(publicBlob: Buffer, section: Buffer): string {
  const bytes = Buffer.concat([HEAD, string(publicBlob), string(section)]);
  const lines = bytes.toString('base64').match(new RegExp(`.{1,${LINE_LENGTH}}`, 'g')) ?? [];
  const name = 'OPENSSH PRIVATE KEY';
  return [`-----BEGIN ${name}-----`, ...lines, `-----END ${name}-----`, ''].join('\n');
}

/** The private section (OpenSSH, PROTOCOL.key): a random number twice, the key, a comment, and padding 1, 2, 3… */
function privateSection(publicHalf: Buffer, secret: Buffer): Buffer {
  const check = randomBytes(4);
  const key = [string(TYPE), string(publicHalf), string(Buffer.concat([secret, publicHalf])), string('')];
  const section = Buffer.concat([check, check, ...key]);
  const padding = -section.length & (BLOCK - 1);
  return Buffer.concat([section, Buffer.from(Array.from({ length: padding }, (_, index) => index + 1))]);
}

function publicLine(publicBlob: Buffer): string {
  return `${TYPE} ${publicBlob.toString('base64')}`;
}

/** A string of the ssh protocol (RFC 4251, section 5). */
function string(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
