import type { Environment } from '../../config/merge.ts';
import { withoutPasswords } from '../../options/password.ts';
import { TransientError } from '../../problem.ts';

/** Variables that name the proxy for a protocol, the first one that is set wins. */
const VARIABLES: Readonly<Record<string, readonly string[]>> = {
  'http:': ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'],
  'https:': ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'],
};

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** The proxy through which the environment wants an address to be reached. */
export function proxyFor(url: URL, environment: Environment): URL | undefined {
  const variable = VARIABLES[url.protocol]?.find((name) => environment[name]);
  if (variable === undefined || isExcluded(url, environment)) return undefined;
  return parseProxy(variable, environment[variable] ?? '');
}

/** An address without a scheme, as curl, apt and pip take it, is that of an HTTP proxy. */
function parseProxy(variable: string, text: string): URL {
  const address = text.includes('://') ? text : `http://${text}`;
  const where = { kind: 'env', name: variable } as const;
  if (/^socks/i.test(address)) {
    throw new TransientError({
      reason: 'invalid-value',
      message: `"${withoutPasswords(text)}" is a SOCKS proxy, and images can be downloaded only through an HTTP proxy`,
      where,
      hint: 'name an HTTP proxy, or the hosts that are reached without one: no_proxy=HOST,HOST',
    });
  }
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.hostname !== '') return url;
  throw new TransientError({
    reason: 'invalid-value',
    message: `"${shownProxy(address, text)}" is not the address of a proxy`,
    where,
    hint: 'write it as HOST:PORT or http://HOST:PORT',
  });
}

/** As it was typed, but for a password. */
function shownProxy(address: string, text: string): string {
  const shown = withoutPasswords(address);
  return text.includes('://') ? shown : shown.replace('http://', '');
}

/** Whether no_proxy names the host, a domain that it belongs to, or everything. */
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
