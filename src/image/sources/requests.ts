import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Environment } from '../../config/merge.ts';
import type { LinkedSignal } from '../../host/deadline.ts';
import { linked } from '../../host/deadline.ts';
import { Body } from './body.ts';
import type { Authorization } from './credentials.ts';
import { authorizationFor } from './credentials.ts';
import { Dispatchers } from './dispatchers.ts';
import { BadRedirect, NoHttpAnswer, ProxyStatus, REDIRECTS, faultOfProxy } from './download-faults.ts';
import type { HttpTimes } from './http-times.ts';

/** Relaxations for redirects. */
export interface Trust {
  /** The content is verified by a checksum, so it may come over plain HTTP although https was requested. */
  readonly hasSum: boolean;
}

/** A request; a redirect creates a new one. */
interface Asked {
  readonly headers: Readonly<Record<string, string>>;
  readonly authorization: Authorization | undefined;
  readonly exchange: LinkedSignal;
}

/** Performs GET requests with redirects, the credentials and proxies of the environment, and our timeouts. */
export class Requests {
  readonly #dispatchers: Dispatchers;
  readonly #environment: Environment;
  readonly #times: HttpTimes;
  readonly #trust: Trust;

  private constructor(dispatchers: Dispatchers, environment: Environment, times: HttpTimes, trust: Trust) {
    this.#dispatchers = dispatchers;
    this.#environment = environment;
    this.#times = times;
    this.#trust = trust;
  }

  static async open(environment: Environment, times: HttpTimes, trust: Trust): Promise<Requests> {
    return new Requests(await Dispatchers.open(environment), environment, times, trust);
  }

  async get(address: string, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    const exchange = linked(signal);
    const { idle } = this.#times;
    const timer = setTimeout(() => exchange.abort(new NoHttpAnswer(idle)), idle);
    try {
      const url = new URL(address);
      const authorization = await authorizationFor(url, this.#environment);
      // no content encoding: it would make ranges and checksums meaningless
      const all = { 'user-agent': 'transient', 'accept-encoding': 'identity', ...headers };
      const {
        statusCode,
        headers: answered,
        body,
      } = await this.#follow(url, {
        headers: all,
        authorization,
        exchange,
      });
      return new Answer({ statusCode, headers: answered }, new Body(body, this.#times), exchange);
    } catch (error) {
      exchange[Symbol.dispose]();
      throw exchange.signal.aborted ? exchange.signal.reason : faultOfProxy(error);
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    await this.#dispatchers.close();
  }

  async #follow(first: URL, asked: Asked): Promise<Dispatcher.ResponseData> {
    const seen = new Set<string>();
    for (let url = first; ;) {
      seen.add(url.href);
      const answer = await this.#ask(url, asked);
      const target = redirectOf(answer);
      if (target === undefined || seen.size > REDIRECTS) return answer;
      await answer.body.dump();
      url = this.#next(url, target);
      if (seen.has(url.href)) throw new BadRedirect('the server redirects in a loop');
    }
  }

  async #ask(url: URL, { headers, authorization, exchange }: Asked): Promise<Dispatcher.ResponseData> {
    const { dispatcher, origin, path, headers: onWay } = await this.#dispatchers.routeTo(url);
    // credentials go only to the server that was named
    const credentials = authorization?.origin === url.origin ? { authorization: authorization.header } : {};
    const answer = await dispatcher.request({
      method: 'GET',
      origin,
      path,
      headers: { ...headers, ...onWay, ...credentials },
      signal: exchange.signal,
    });
    if (answer.statusCode !== 407) return answer;
    await answer.body.dump();
    throw new ProxyStatus(407);
  }

  #next(from: URL, location: string): URL {
    const target = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
    if (target === undefined || !/^https?:$/.test(target.protocol))
      throw new BadRedirect('the server redirects to something other than an http or https URL');
    const isDowngrade = from.protocol === 'https:' && target.protocol === 'http:';
    if (isDowngrade && !this.#trust.hasSum) {
      throw new BadRedirect(
        'the server redirects from https to http, where the content can be modified in transit',
        'set the sha256 of the image ([images.NAME] in a Transientfile), or use an https URL',
      );
    }
    return target;
  }
}

/** A response whose body is closed by `using answer = …`. */
export class Answer implements Disposable {
  readonly statusCode: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Body;
  readonly #exchange: Disposable;

  constructor(
    { statusCode, headers }: Pick<Dispatcher.ResponseData, 'statusCode' | 'headers'>,
    body: Body,
    exchange: Disposable,
  ) {
    this.statusCode = statusCode;
    this.headers = headers;
    this.body = body;
    this.#exchange = exchange;
  }

  [Symbol.dispose](): void {
    this.body.destroy();
    this.#exchange[Symbol.dispose]();
  }
}

/** Target of a redirect (RFC 9110 section 15.4). */
function redirectOf({ statusCode, headers }: Dispatcher.ResponseData): string | undefined {
  const { location } = headers;
  return [300, 301, 302, 303, 307, 308].includes(statusCode) && typeof location === 'string'
    ? location
    : undefined;
}
