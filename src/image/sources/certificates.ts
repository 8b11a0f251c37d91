import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import type { Environment } from '../../config/merge.ts';
import { TransientError, systemMessage } from '../../problem.ts';

/**
 * The authorities that are trusted besides Node's own, which `SSL_CERT_FILE` names; nothing where it names none, since
 * Node itself then takes what NODE_EXTRA_CA_CERTS names. Authorities of our own replace both in Node's eyes, so that the
 * whole list is returned.
 */
export async function trustedAuthorities(environment: Environment): Promise<string[] | undefined> {
  const file = environment['SSL_CERT_FILE'];
  if (!file) return undefined;
  const extra = environment['NODE_EXTRA_CA_CERTS'];
  // Node passes over a file of its own variable that it cannot read, and warns
  const more = extra ? await readFile(extra, 'utf8').catch(() => '') : '';
  return [...rootCertificates, await readAuthorities(file), more].filter(Boolean);
}

async function readAuthorities(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new TransientError(
      {
        reason: 'unreadable',
        message: `cannot read the certificates of authorities in ${file}: ${systemMessage(cause)}`,
        where: { kind: 'env', name: 'SSL_CERT_FILE' },
      },
      { cause },
    );
  });
}
