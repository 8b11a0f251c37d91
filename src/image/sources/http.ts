import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Dispatcher, request } from 'undici';
import type Undici from 'undici';
import { trace } from '../../host/trace.ts';
import { TransientError, errorCode, isSystemError } from '../../problem.ts';
import { Body } from './body.ts';
import type { PartialDownload } from './partial.ts';

/** Times in milliseconds. */
export interface HttpTimes {
  /** How long a server may say nothing, also before its answer. */
  readonly idle: number;
  /** Before the first retry; each further one waits twice as long. */
  readonly retryDelay: number;
}

/** What is known of a download while it runs; amounts in bytes. */
export interface DownloadProgress {
  readonly done: number;
  readonly total?: number;
}

/** How many tries may follow each other without a single byte. */
const TRIES = 5;

const REDIRECTS = 10;

/** Answers after which the same request can succeed a moment later (RFC 9110 section 15). */
const TRANSIENT_STATUS = new Set([408, 429, 500, 502, 503, 504]);

/** Longest wait that a server's Retry-After is granted, in milliseconds. */
const LONGEST_WAIT = 30_000;

/**
 * The bytes of a URL from the first to the last: those that an earlier attempt left in `partial`, then the rest from
 * the server, each appended to `partial` before it is handed on. A connection that breaks is taken up again where it
 * broke. When the server's file is not the one that was begun, {@link StartAnew} is thrown and `partial` is empty.
 */
export async function* download(
  url: string,
  partial: PartialDownload,
  times: HttpTimes,
  signal: AbortSignal,
  onProgress: (progress: DownloadProgress) => void,
): AsyncGenerator<Buffer> {
  const client = await HttpClient.open(times);
  let done = 0;
  try {
    for await (const chunk of partial.read()) {
      done += chunk.length;
      yield chunk;
    }
    for (let failures = 0; ;) {
      try {
        for await (const { chunk, total } of client.rest(url, partial, signal)) {
          // written while the reader works on it, and before the next one comes
          const written = partial.append(chunk);
          // told by the await below, however long the reader takes until then
          written.catch(() => undefined);
          done += chunk.length;
          failures = 0;
          onProgress({ done, ...(total === undefined ? {} : { total }) });
          try {
            yield chunk;
          } finally {
            await written;
          }
        }
        return;
      } catch (error) {
        await beforeNextTry(url, error, ++failures, times, signal);
      }
    }
  } finally {
    await client.close();
  }
}

/** A small document of a URL as text; one that is larger than `limit` bytes is refused. */
export async function fetchText(
  url: string,
  limit: number,
  times: HttpTimes,
  signal: AbortSignal,
): Promise<string> {
  const client = await HttpClient.open(times);
  try {
    for (let failures = 0; ;) {
      try {
        return await client.text(url, limit, signal);
      } catch (error) {
        await beforeNextTry(url, error, ++failures, times, signal);
      }
    }
  } finally {
    await client.close();
  }
}

/** The server's file changed, or the server cannot go on in the middle: what was handed on so far is void. */
export class StartAnew extends Error {}

/** An answer with another status than was hoped for. */
export class HttpStatus extends Error {
  readonly status: number;
  readonly retryAfter: number | undefined;

  constructor(status: number, headers: IncomingHttpHeaders) {
    const redirected = status >= 300 && status < 400 && headers.location !== undefined;
    super(redirected ? `redirected more than ${REDIRECTS} times` : `the server answered ${status}`);
    this.status = status;
    const seconds = Number(headers['retry-after']);
    this.retryAfter = Number.isFinite(seconds) ? seconds * 1000 : undefined;
  }
}

/** A connection that ended before the file did. */
class Cut extends Error {}

/** undici with the proxies of the environment, redirects and our times. */
class HttpClient {
  readonly #dispatcher: Dispatcher;
  readonly #agent: Dispatcher;
  readonly #request: typeof request;

  private constructor(undici: typeof Undici, times: HttpTimes) {
    const timeouts = {
      headersTimeout: times.idle,
      bodyTimeout: times.idle,
      connect: { timeout: times.idle },
    };
    this.#agent = new undici.EnvHttpProxyAgent(timeouts);
    this.#dispatcher = this.#agent.compose(undici.interceptors.redirect({ maxRedirections: REDIRECTS }));
    this.#request = undici.request;
  }

  static async open(times: HttpTimes): Promise<HttpClient> {
    const { default: undici } = await import('undici');
    return new HttpClient(undici, times);
  }

  /** What is missing of a file after the bytes that are there already. */
  async *rest(
    url: string,
    partial: PartialDownload,
    signal: AbortSignal,
  ): AsyncGenerator<{ chunk: Buffer; total: number | undefined }> {
    const { size, validator } = partial;
    // a server that can be asked for the rest of just this file; without a validator it could be another file's rest
    const resume = size > 0 && validator !== undefined;
    if (size > 0 && !resume) await startAnew(partial);
    const headers = resume ? { range: `bytes=${size}-`, 'if-range': validator } : {};
    const answer = await this.#get(url, headers, signal);
    try {
      if (answer.statusCode === 416 && totalOf(answer) === size) return;
      if (resume && (answer.statusCode !== 206 || startOf(answer) !== size))
        await refuseRest(answer, partial);
      if (answer.statusCode !== 200 && answer.statusCode !== 206) {
        throw new HttpStatus(answer.statusCode, answer.headers);
      }
      const total = totalOf(answer);
      await partial.begin(validatorOf(answer.headers));
      for await (const chunk of answer.body.chunks()) yield { chunk, total };
      if (total !== undefined && partial.size < total)
        throw new Cut(`the connection ended after ${partial.size} of ${total} bytes`);
    } finally {
      answer.body.destroy();
    }
  }

  async text(url: string, limit: number, signal: AbortSignal): Promise<string> {
    const answer = await this.#get(url, { accept: 'application/json' }, signal);
    try {
      if (answer.statusCode !== 200) throw new HttpStatus(answer.statusCode, answer.headers);
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of answer.body.chunks()) {
        size += chunk.length;
        if (size > limit) throw tooLarge(url, limit);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString();
    } finally {
      answer.body.destroy();
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #get(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    // the bytes as they are kept there: a compression of the way would make ranges and sums meaningless
    const all = { 'user-agent': 'transient', 'accept-encoding': 'identity', ...headers };
    const answer = await this.#request(url, { dispatcher: this.#dispatcher, headers: all, signal });
    return { statusCode: answer.statusCode, headers: answer.headers, body: new Body(answer.body) };
  }
}

/** An answer with its body under our hands. */
type Answer = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers'> & { readonly body: Body };

/** An answer to a request for the rest that is not the rest. */
async function refuseRest(answer: Answer, partial: PartialDownload): Promise<void> {
  if (TRANSIENT_STATUS.has(answer.statusCode)) throw new HttpStatus(answer.statusCode, answer.headers);
  if ([200, 206, 416].includes(answer.statusCode)) await startAnew(partial);
}

async function startAnew(partial: PartialDownload): Promise<never> {
  await partial.clear();
  throw new StartAnew();
}

/** A strong ETag, else the date of the last change: what If-Range may hold (RFC 9110 section 13.1.5). */
function validatorOf(headers: IncomingHttpHeaders): string | undefined {
  const { etag, 'last-modified': lastModified } = headers;
  return etag !== undefined && !etag.startsWith('W/') ? etag : lastModified;
}

/** Where a part begins in the whole file. */
function startOf({ headers }: Answer): number | undefined {
  const start = /^bytes (\d+)-/.exec(String(headers['content-range'] ?? ''))?.[1];
  return start === undefined ? undefined : Number(start);
}

/** The size of the whole file, from Content-Range or Content-Length. */
function totalOf({ statusCode, headers }: Answer): number | undefined {
  const range = /\/(\d+)$/.exec(String(headers['content-range'] ?? ''))?.[1];
  if (range !== undefined) return Number(range);
  const length = headers['content-length'];
  return statusCode === 200 && typeof length === 'string' ? Number(length) : undefined;
}

/** After a try that failed: waits until the next one, or throws what no further try would mend. */
async function beforeNextTry(
  url: string,
  error: unknown,
  failures: number,
  times: HttpTimes,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const wait = waitBefore(error, failures, times);
  if (wait === undefined) throw explained(url, error);
  trace('info', () => `${url}: ${reasonOf(error)}; trying again in ${wait} ms`);
  await delay(wait, undefined, { signal });
}

/** How long to wait before the next try, or undefined where another try is of no use. */
function waitBefore(error: unknown, failures: number, { retryDelay }: HttpTimes): number | undefined {
  if (error instanceof StartAnew || error instanceof TransientError || failures >= TRIES) return undefined;
  const status = error instanceof HttpStatus ? error : undefined;
  if (status && !TRANSIENT_STATUS.has(status.status)) return undefined;
  if (!status && !isFaultOfTheWay(error)) return undefined;
  return Math.min(LONGEST_WAIT, Math.max(status?.retryAfter ?? 0, retryDelay * 2 ** (failures - 1)));
}

function isFaultOfTheWay(error: unknown): boolean {
  if (error instanceof Cut) return true;
  const code = errorCode(error) ?? '';
  return /^(UND_ERR_(SOCKET|CONNECT_TIMEOUT|HEADERS_TIMEOUT|BODY_TIMEOUT|RES_CONTENT_LENGTH_MISMATCH)|ECONN|EPIPE|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|HPE_)/.test(
    code,
  );
}

function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const code = errorCode(error);
  if (code === 'ENOTFOUND') return 'there is no such host';
  if (code === 'ECONNREFUSED') return 'the connection was refused';
  if (isRedirectLoop(error)) return 'the server redirects in a circle';
  return message === '' ? (code ?? 'unknown fault') : message;
}

function isRedirectLoop(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Redirect loop');
}

function explained(url: string, error: unknown): unknown {
  if (error instanceof StartAnew || error instanceof TransientError || isDiskError(error)) return error;
  const hint =
    error instanceof HttpStatus
      ? statusHint(error.status)
      : 'look whether the address and the proxy settings are right; what came so far is kept, and the next attempt goes on from there';
  return new TransientError(
    {
      reason: 'image',
      message: `cannot download ${url}: ${reasonOf(error)}`,
      hint: isRedirectLoop(error) ? 'look whether the address is right' : hint,
    },
    { cause: error },
  );
}

/** A fault of our own files, not of the way. */
function isDiskError(error: unknown): boolean {
  return isSystemError(error) && /^(write|open|ftruncate)$/.test(error.syscall);
}

function statusHint(status: number): string {
  if (status === 401 || status === 403)
    return 'the server wants to know who asks; look whether the address is right and public';
  if (status === 404 || status === 410) return 'look whether the address is right: there is nothing there';
  return 'the server has a problem; try again later';
}

function tooLarge(url: string, limit: number): TransientError {
  return new TransientError({
    reason: 'image',
    message: `${url} is larger than the ${limit} bytes that are read of what tells of a box`,
    hint: 'where it is the image or the box itself, say NAME,http=URL',
  });
}
