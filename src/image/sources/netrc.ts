import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../../config/merge.ts';
import { TransientError, errorCode, systemMessage } from '../../problem.ts';

/** User name and password for a web server. */
export interface Credentials {
  readonly name: string;
  readonly password: string;
}

/**
 * Looks up a host in the user's `.netrc`. The `default` entry is ignored: a Transientfile from elsewhere can name any
 * server, which would then receive the password.
 */
export async function netrcCredentials(
  host: string,
  environment: Environment,
): Promise<Credentials | undefined> {
  const path = netrcPath(environment);
  return path === undefined ? undefined : credentialsIn(await readNetrc(path, environment), host);
}

function netrcPath({ NETRC: named, HOME: home }: Environment): string | undefined {
  if (named) return named;
  return home ? join(home, '.netrc') : undefined;
}

/** Reads the file; one named by `NETRC` must exist. */
async function readNetrc(path: string, { NETRC: named }: Environment): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    if (!named && errorCode(cause) !== 'EACCES') return '';
    throw new TransientError(
      {
        reason: 'unreadable',
        message: `cannot read ${path}, which may contain passwords for web servers: ${systemMessage(cause)}`,
        ...(named ? { where: { kind: 'env', name: 'NETRC' } } : {}),
      },
      { cause },
    );
  });
}

/** Parses the file as pairs of words, as ftp and curl do: `machine HOST login NAME password PASSWORD`. */
export function credentialsIn(text: string, host: string): Credentials | undefined {
  const words = wordsOf(text);
  const at = words.findIndex((word, index) => word === 'machine' && words[index + 1] === host);
  if (at < 0) return undefined;
  const rest = words.slice(at + 2);
  const end = rest.findIndex((word) => word === 'machine' || word === 'default');
  const entry = end < 0 ? rest : rest.slice(0, end);
  const valueOf = (key: string): string => {
    const place = entry.findIndex((word, index) => index % 2 === 0 && word === key);
    return place < 0 ? '' : (entry[place + 1] ?? '');
  };
  return { name: valueOf('login'), password: valueOf('password') };
}

/** Splits into words; quoted ones may contain blanks. Skips comments, and macros up to an empty line. */
function wordsOf(text: string): string[] {
  const plain = text
    .replaceAll(/^[ \t]*macdef[^]*?(\n[ \t]*\n|$(?![^]))/gm, '\n')
    .replaceAll(/^[ \t]*#.*$/gm, '');
  return [...plain.matchAll(/"((?:\\.|[^"\\])*)"|(\S+)/g)].map(([, quoted, word]) =>
    quoted === undefined ? (word ?? '') : quoted.replaceAll(/\\(.)/g, '$1'),
  );
}
