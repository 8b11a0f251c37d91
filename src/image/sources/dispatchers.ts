import type Undici from 'undici';
import type { Dispatcher } from 'undici';
import type { Environment } from '../../config/merge.ts';
import { trustedAuthorities } from './certificates.ts';
import { basicHeaderOf } from './credentials.ts';
import { proxyFor } from './proxy.ts';

/** A route to a server, and the request target on it: a plain HTTP proxy takes the absolute URL. */
export interface Route {
  readonly dispatcher: Dispatcher;
  readonly origin: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** undici's timers are coarse and know no minimum rate: the caller keeps the time. */
const UNTIMED = { headersTimeout: 0, bodyTimeout: 0 };

/**
 * Routes to servers as the environment configures them: direct, or through a proxy, by GET with an absolute URL for
 * http and by CONNECT for https, as curl does: many proxies allow CONNECT for port 443 only.
 */
export class Dispatchers {
  readonly #undici: typeof Undici;
  readonly #environment: Environment;
  readonly #opened = new Map<string, Promise<Dispatcher>>();

  private constructor(undici: typeof Undici, environment: Environment) {
    this.#undici = undici;
    this.#environment = environment;
  }

  static async open(environment: Environment): Promise<Dispatchers> {
    const { default: undici } = await import('undici');
    return new Dispatchers(undici, environment);
  }

  async routeTo(url: URL): Promise<Route> {
    const { protocol, origin, host, pathname, search } = url;
    const path = `${pathname}${search}`;
    const proxy = proxyFor(url, this.#environment);
    const secure = protocol === 'https:';
    if (proxy === undefined) {
      const dispatcher = await this.#opening(`to ${protocol}`, () => this.#direct(secure));
      return { dispatcher, origin, path, headers: {} };
    }
    const authorization = basicHeaderOf(proxy);
    if (secure) {
      const tunnel = async (): Promise<Dispatcher> => this.#tunnel(proxy, authorization);
      return { dispatcher: await this.#opening(`by ${proxy.href}`, tunnel), origin, path, headers: {} };
    }
    const dispatcher = await this.#opening(`at ${proxy.origin}`, () =>
      this.#direct(proxy.protocol === 'https:'),
    );
    return {
      dispatcher,
      origin: proxy.origin,
      path: `${origin}${path}`,
      headers: { host, ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }) },
    };
  }

  async close(): Promise<void> {
    for (const opened of await Promise.allSettled(this.#opened.values()))
      if (opened.status === 'fulfilled') await opened.value.destroy();
  }

  async #opening(key: string, open: () => Promise<Dispatcher>): Promise<Dispatcher> {
    const opening = this.#opened.get(key) ?? open();
    this.#opened.set(key, opening);
    return opening;
  }

  async #direct(secure: boolean): Promise<Dispatcher> {
    return new this.#undici.Agent({ ...UNTIMED, connect: { timeout: 0, ...(await this.#tls(secure)) } });
  }

  async #tunnel(proxy: URL, authorization: string | undefined): Promise<Dispatcher> {
    const tls = { timeout: 0, ...(await this.#tls(true)) };
    return new this.#undici.ProxyAgent({
      ...UNTIMED,
      uri: `${proxy.origin}/`,
      ...(authorization === undefined ? {} : { token: authorization }),
      requestTls: tls,
      proxyTls: tls,
    });
  }

  /** Read on demand: a missing file of authorities does not matter for plain HTTP. */
  async #tls(secure: boolean): Promise<{ ca?: string[] }> {
    const ca = secure ? await trustedAuthorities(this.#environment) : undefined;
    return ca === undefined ? {} : { ca };
  }
}
