import type { Environment } from '../../config/merge.ts';
import { withoutPasswords } from '../../options/password.ts';
import { TransientError } from '../../problem.ts';

/** Environment variables for the proxy of a protocol; the first one that is set wins. */
const VARIABLES: Readonly<Record<string, readonly string[]>> = {
  'http:': ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'],
  'https:': ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'],
};

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** Proxy for a URL according to the environment. */
export function proxyFor(url: URL, environment: Environment): URL | undefined {
  const variable = VARIABLES[url.protocol]?.find((name) => environment[name]);
  if (variable === undefined || isExcluded(url, environment)) return undefined;
  return parseProxy(variable, environment[variable] ?? '');
}

/** Parses the URL of a proxy; without a scheme it is an HTTP proxy, as for curl, apt and pip. */
function parseProxy(variable: string, text: string): URL {
  const address = text.includes('://') ? text : `http://${text}`;
  const where = { kind: 'env', name: variable } as const;
  if (/^socks/i.test(address)) {
    throw new TransientError({
      reason: 'invalid-value',
      message: `"${withoutPasswords(text)}" is a SOCKS proxy, but images can be downloaded only through an HTTP proxy`,
      where,
      hint: 'set an HTTP proxy, or list hosts to reach directly: no_proxy=HOST,HOST',
    });
  }
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.hostname !== '') return url;
  throw new TransientError({
    reason: 'invalid-value',
    message: `"${shownProxy(address, text)}" is not a proxy URL`,
    where,
    hint: 'write it as HOST:PORT or http://HOST:PORT',
  });
}

/** The text as typed, with any password removed. */
function shownProxy(address: string, text: string): string {
  const shown = withoutPasswords(address);
  return text.includes('://') ? shown : shown.replace('http://', '');
}

/** Whether no_proxy matches the host, a domain it belongs to, or everything. */
function isExcluded({ hostname, port, protocol }: URL, environment: Environment): boolean {
  const entries = (environment['no_proxy'] ?? environment['NO_PROXY'] ?? '').split(/[,\s]+/).filter(Boolean);
  const actualPort = Number(port) || DEFAULT_PORTS[protocol];
  return entries.some((entry) => {
    if (entry === '*') return true;
    const [, named = entry, digits] = /^(.+):(\d+)$/.exec(entry) ?? [];
    if (digits !== undefined && Number(digits) !== actualPort) return false;
    const host = named.replace(/^\*?\./, '').toLowerCase();
    return hostname === host || hostname.endsWith(`.${host}`);
  });
}
