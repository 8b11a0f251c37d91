import { once } from 'node:events';
import { statSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Gate } from './gate.ts';
import { sendBody, type Content, type Stop } from './http-body.ts';

/** A fault after so many bytes of an answer: of each one, or of the first `times`. */
export interface Fault {
  readonly after: number;
  readonly times?: number;
}

/** Content at one path, and the behaviour of the server there. */
export interface Served {
  readonly content?: Content;
  /** Whether a part can be asked for; it can. */
  readonly ranges?: boolean;
  readonly etag?: string;
  readonly lastModified?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Without a length. */
  readonly chunked?: boolean;
  /** The length that is told instead of the real one. */
  readonly claims?: number;
  /** Where it is instead; relative or not. */
  readonly redirect?: string;
  /** Status codes of the first responses; 200 sends the content. */
  readonly statuses?: readonly number[];
  readonly cut?: Fault;
  readonly stall?: Fault;
  /** Holds the first answer up. */
  readonly gate?: { readonly after: number; readonly gate: Gate };
  /** Bytes per second. */
  readonly rate?: number;
  /** A part is sent even where `If-Range` names something else. */
  readonly ignoresIfRange?: boolean;
  /** Called when a response is about to be sent, with the number of earlier ones. */
  readonly onRequest?: (turn: number) => void;
  /** Sends the first bytes for any requested range. */
  readonly wrongRange?: boolean;
}

/** One request and what became of it. */
export interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly range: string | undefined;
  status: number;
  /** Bytes of the content. */
  sent: number;
}

/** A real HTTP server on loopback with content and faults by path: `await using server = await HttpServer.start()`. */
export class HttpServer implements AsyncDisposable {
  readonly requests: Request[] = [];
  readonly #served = new Map<string, Served>();
  readonly #server: Server;
  readonly #scheme: string;
  #port = 0;

  private constructor(tls?: { key: string; cert: string }) {
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      // a client that is killed leaves in the middle
      this.#answer(request, response).catch(() => response.destroy());
    };
    this.#server = tls ? createTlsServer(tls, answer) : createServer(answer);
    this.#scheme = tls ? 'https' : 'http';
  }

  static async start(tls?: { key: string; cert: string }): Promise<HttpServer> {
    const server = new HttpServer(tls);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    server.#port = (server.#server.address() as AddressInfo).port;
    return server;
  }

  /** Also once nobody listens there any more. */
  get port(): number {
    return this.#port;
  }

  url(path: string): string {
    return `${this.#scheme}://127.0.0.1:${this.port}${path}`;
  }

  /** Puts something at a path, or something else in its place; returns its URL. */
  serve(path: string, served: Served | Buffer): string {
    this.#served.set(path, Buffer.isBuffer(served) ? { content: served } : served);
    return this.url(path);
  }

  /** Puts JSON at a path. */
  serveJson(path: string, value: unknown): string {
    return this.serve(path, {
      content: Buffer.from(JSON.stringify(value)),
      headers: { 'Content-Type': 'application/json; charset=utf-8' },
    });
  }

  /** The text at a path. */
  textAt(path: string): string {
    const content = this.#served.get(path)?.content ?? '';
    return Buffer.isBuffer(content) ? content.toString() : '';
  }

  /** The requests for one path so far. */
  requestsFor(path: string): Request[] {
    return this.requests.filter((request) => request.path === path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer({ method = '', url: path = '', headers }: IncomingMessage, response: ServerResponse) {
    const turn = this.requestsFor(path).length;
    const request: Request = { method, path, headers, range: headers.range, status: 0, sent: 0 };
    this.requests.push(request);
    const served = this.#served.get(path);
    const status = served ? (served.statuses?.[turn] ?? 200) : 404;
    if (status !== 200) {
      this.#plain(request, response, status);
      return;
    }
    if (served?.redirect !== undefined) {
      response.setHeader('Location', served.redirect);
      this.#plain(request, response, 302);
      return;
    }
    served?.onRequest?.(turn);
    if (served) await this.#content(request, response, served, turn);
  }

  #plain(request: Request, response: ServerResponse, status: number): void {
    request.status = status;
    response.writeHead(status, { 'Content-Type': 'text/plain' }).end(`status ${status}\n`);
  }

  async #content(request: Request, response: ServerResponse, served: Served, turn: number): Promise<void> {
    const { content = Buffer.alloc(0), chunked = false, claims } = served;
    const size = Buffer.isBuffer(content) ? content.length : statSync(content.file).size;
    const from = firstByte(request, served);
    if (from !== undefined && from >= size) {
      response.setHeader('Content-Range', `bytes */${size}`);
      this.#plain(request, response, 416);
      return;
    }
    request.status = from === undefined ? 200 : 206;
    const start = served.wrongRange ? 0 : (from ?? 0);
    response.writeHead(request.status, {
      ...metadata(served),
      ...(from === undefined ? {} : { 'Content-Range': `bytes ${start}-${size - 1}/${size}` }),
      ...(chunked ? {} : { 'Content-Length': claims ?? size - start }),
    });
    if (request.method === 'HEAD') return void response.end();
    const stops = stopsOf(served, turn);
    const onSent = (bytes: number): void => void (request.sent = bytes);
    const whole = await sendBody(response, {
      content,
      from: start,
      to: size,
      stops,
      rate: served.rate,
      onSent,
    });
    if (!whole) return;
    // what was promised and is not there never comes
    if (claims !== undefined && claims > size - start) response.socket?.destroy();
    else response.end();
  }
}

/** The first byte that is asked for, where the server is asked for a part and would send one. */
function firstByte({ range, headers }: Request, served: Served): number | undefined {
  const asked = /^bytes=(\d+)-/.exec(range ?? '')?.[1];
  if (asked === undefined || served.ranges === false) return undefined;
  const condition = headers['if-range'];
  const holds = condition === undefined || condition === served.etag || condition === served.lastModified;
  return holds || served.ignoresIfRange ? Number(asked) : undefined;
}

function metadata({ ranges, etag, lastModified, headers }: Served): Record<string, string> {
  return {
    'Content-Type': 'application/octet-stream',
    ...(ranges === false ? {} : { 'Accept-Ranges': 'bytes' }),
    ...(etag === undefined ? {} : { ETag: etag }),
    ...(lastModified === undefined ? {} : { 'Last-Modified': lastModified }),
    ...headers,
  };
}

function stopsOf({ cut, stall, gate }: Served, turn: number): Stop[] {
  const happens = (fault: Fault | undefined): fault is Fault =>
    fault !== undefined && turn < (fault.times ?? Infinity);
  return [
    ...(happens(cut) ? [{ after: cut.after, act: 'cut' as const }] : []),
    ...(happens(stall) ? [{ after: stall.after, act: 'stall' as const }] : []),
    ...(gate && turn === 0 ? [{ after: gate.after, act: gate.gate }] : []),
  ];
}
