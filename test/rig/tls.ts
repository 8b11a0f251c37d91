import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A certificate for some host names that signs itself; whoever is to trust it names `path`. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
  readonly path: string;
}

/** Makes a certificate in a directory; it is valid for two days. */
export function makeCertificate(directory: string, ...hosts: readonly string[]): Certificate {
  const key = join(directory, 'key.pem');
  const path = join(directory, 'cert.pem');
  const names = `subjectAltName=${['IP:127.0.0.1', ...hosts.map((host) => `DNS:${host}`)].join(',')}`;
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const args = ['req', '-x509', ...kind, '-subj', '/CN=test', '-addext', names, '-keyout', key, '-out', path];
  execFileSync('openssl', args, { stdio: 'ignore' });
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(path, 'utf8'), path };
}
