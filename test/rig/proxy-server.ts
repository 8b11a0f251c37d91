import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer, request } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';

/** Request to a proxy: a URL, or with CONNECT a host and port. */
export interface Proxied {
  readonly method: string;
  readonly target: string;
}

export interface ProxyOptions {
  /** The port of loopback at which every host is found. */
  readonly to: number;
  /** `NAME:PASSWORD` that it wants to hear first. */
  readonly credentials?: string;
}

/**
 * A forward proxy that finds every host at one port of loopback, also hosts that are nowhere. As squid and tinyproxy do,
 * it opens no tunnel to the port of plain HTTP.
 */
export class ProxyServer implements AsyncDisposable {
  readonly log: Proxied[] = [];
  readonly #to: number;
  readonly #wanted: string | undefined;
  readonly #tunnels = new Set<Duplex>();
  readonly #server: Server;

  private constructor({ to, credentials }: ProxyOptions) {
    this.#to = to;
    this.#wanted = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`;
    this.#server = createServer((asked, response) => this.#forward(asked, response));
    this.#server.on('connect', (asked: IncomingMessage, client: Duplex) => this.#tunnel(asked, client));
  }

  static async start(options: ProxyOptions): Promise<ProxyServer> {
    const proxy = new ProxyServer(options);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  /** Without a scheme. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    for (const tunnel of this.#tunnels) tunnel.destroy();
    await closed;
  }

  #forward({ method = '', url = '', headers }: IncomingMessage, response: ServerResponse): void {
    this.log.push({ method, target: url });
    if (!this.#admits(headers)) {
      response.writeHead(407, { 'Proxy-Authenticate': 'Basic realm="test"' }).end();
      return;
    }
    const { pathname, search } = new URL(url);
    const onward = request({ port: this.#to, host: '127.0.0.1', method, path: pathname + search, headers });
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    onward.end();
  }

  #admits({ 'proxy-authorization': shown }: IncomingHttpHeaders): boolean {
    return this.#wanted === undefined || shown === this.#wanted;
  }

  #tunnel({ url = '', headers }: IncomingMessage, client: Duplex): void {
    this.log.push({ method: 'CONNECT', target: url });
    const refusal = url.endsWith(':80') ? '403 Forbidden' : '407 Proxy Authentication Required';
    if (url.endsWith(':80') || !this.#admits(headers)) {
      client.end(`HTTP/1.1 ${refusal}\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const server: Socket = connect(this.#to, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      server.pipe(client).pipe(server);
    });
    for (const end of [client, server]) {
      this.#tunnels.add(end);
      end.on('error', () => undefined);
      end.on('close', () => {
        client.destroy();
        server.destroy();
      });
    }
  }
}
