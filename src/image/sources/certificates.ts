import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import type { Environment } from '../../config/merge.ts';
import { TransientError, systemMessage } from '../../problem.ts';

/**
 * Loads the certificate authorities that `SSL_CERT_FILE` names, together with Node's own. Undefined if it is not set:
 * Node itself then honours NODE_EXTRA_CA_CERTS. Passing authorities to Node replaces both, so the complete list is
 * returned.
 */
export async function trustedAuthorities(environment: Environment): Promise<string[] | undefined> {
  const file = environment['SSL_CERT_FILE'];
  if (!file) return undefined;
  const extra = environment['NODE_EXTRA_CA_CERTS'];
  // Node ignores a file in its own variable that it cannot read, with a warning
  const more = extra ? await readFile(extra, 'utf8').catch(() => '') : '';
  return [...rootCertificates, await readAuthorities(file), more].filter(Boolean);
}

async function readAuthorities(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new TransientError(
      {
        reason: 'unreadable',
        message: `cannot read the CA certificates in ${file}: ${systemMessage(cause)}`,
        where: { kind: 'env', name: 'SSL_CERT_FILE' },
      },
      { cause },
    );
  });
}
