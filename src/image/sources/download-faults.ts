import type { IncomingHttpHeaders } from 'node:http';
import { TransientError, errorCode, isSystemError } from '../../problem.ts';

/** So many redirects are followed. */
export const REDIRECTS = 10;

/** Answers after which the same request can succeed a moment later (RFC 9110 section 15). */
const TRANSIENT_STATUS = new Set([408, 429, 500, 502, 503, 504]);

/** The server's file changed, or the server cannot go on in the middle: what was handed on so far is void. */
export class StartAnew extends Error {}

/** An answer with another status than was hoped for. */
export class HttpStatus extends Error {
  readonly status: number;
  /** What the server asks for, in milliseconds. */
  readonly retryAfter: number | undefined;

  constructor(status: number, headers: IncomingHttpHeaders) {
    const redirected = status >= 300 && status < 400 && headers.location !== undefined;
    super(redirected ? `redirected more than ${REDIRECTS} times` : `the server answered ${status}`);
    this.status = status;
    const seconds = Number(headers['retry-after']);
    this.retryAfter = Number.isFinite(seconds) ? seconds * 1000 : undefined;
  }

  get passes(): boolean {
    return TRANSIENT_STATUS.has(this.status);
  }
}

/** A connection that failed, in our words: another try can go better. */
export class ConnectionFault extends Error {}

/** A connection that ended before the file did. */
export class Cut extends ConnectionFault {
  constructor(bytes: number, total: number | undefined, options?: ErrorOptions) {
    super(`the connection ended after ${bytes}${total === undefined ? '' : ` of ${total}`} bytes`, options);
  }
}

/** A server that accepts a connection and does not answer; the time in milliseconds. */
export class NoAnswer extends ConnectionFault {
  constructor(time: number) {
    super(`no answer came within ${time / 1000} s`);
  }
}

/** A server that sends too little of its answer; the time in milliseconds. */
export class TooSlow extends ConnectionFault {
  constructor(bytes: number, time: number) {
    const amount = bytes === 1 ? 'only 1 byte' : `only ${bytes} bytes`;
    super(`${bytes === 0 ? 'nothing' : amount} came ${bytes === 0 ? 'for' : 'in'} ${time / 1000} s`);
  }
}

/** What broke while the body of an answer came, once so many bytes of the file were received. */
export function faultInBody(error: unknown, bytes: number, total: number | undefined): unknown {
  if (error instanceof ConnectionFault || !isConnectionFault(error)) return error;
  return new Cut(bytes, total, { cause: error });
}

/** Whether another try can go better: what failed is the connection, or a server that says so. */
export function canPass(error: unknown): boolean {
  return error instanceof HttpStatus ? error.passes : isConnectionFault(error);
}

function isConnectionFault(error: unknown): boolean {
  if (error instanceof ConnectionFault) return true;
  return /^(UND_ERR_(SOCKET|CONNECT_TIMEOUT|HEADERS_TIMEOUT|BODY_TIMEOUT|RES_CONTENT_LENGTH_MISMATCH)|ECONN|EPIPE|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|HPE_)/.test(
    codeOf(error) ?? '',
  );
}

/** The code of an error; undici leaves it away where its HTTP parser could not go on. */
function codeOf(error: unknown): string | undefined {
  const isParserFault = error instanceof Error && error.name === 'HTTPParserError';
  return errorCode(error) ?? (isParserFault ? 'HPE_UNKNOWN' : undefined);
}

/** What the codes of Node, its HTTP parser and undici mean before there is an answer. */
const MEANINGS: readonly (readonly [code: RegExp, meaning: string])[] = [
  [/^ENOTFOUND$/, 'there is no such host'],
  [/^EAI_AGAIN$/, "the host's address cannot be looked up at the moment"],
  [/^ECONNREFUSED$/, 'the connection was refused'],
  [/^(ENETUNREACH|EHOSTUNREACH)$/, 'the host cannot be reached'],
  [/^(ETIMEDOUT|UND_ERR_\w+_TIMEOUT)$/, 'the host does not answer'],
  [/^(ECONN|EPIPE|UND_ERR_SOCKET)/, 'the connection ended before an answer came'],
  [/^(HPE_|UND_ERR_RES_)/, 'the server does not answer in HTTP'],
  [/^(UND_ERR_INVALID_ARG|ERR_INVALID_URL)$/, 'the address is none of http or https'],
];

/** Why a download failed, as people read it. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const proxyStatus = /^Proxy response \((\d+)\)/.exec(message)?.[1];
  if (proxyStatus !== undefined) return `the proxy answered ${proxyStatus}`;
  if (isRedirectLoop(error)) return 'the server redirects in a circle';
  const code = codeOf(error);
  const meaning = MEANINGS.find(([pattern]) => pattern.test(code ?? ''))?.[1];
  return meaning ?? (message === '' ? (code ?? 'unknown fault') : message);
}

function isRedirectLoop(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Redirect loop');
}

/** What is thrown in the end for a download that failed. */
export function explained(url: string, error: unknown): unknown {
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

/** A fault of our own files, not of the connection. */
function isDiskError(error: unknown): boolean {
  return isSystemError(error) && /^(write|open|ftruncate)$/.test(error.syscall);
}

function statusHint(status: number): string {
  if (status === 401 || status === 403)
    return 'the server wants to know who asks; look whether the address is right and public';
  if (status === 404 || status === 410) return 'look whether the address is right: there is nothing there';
  return 'the server has a problem; try again later';
}

/** A document that is larger than anything that describes a box. */
export function tooLarge(url: string, limit: number): TransientError {
  return new TransientError({
    reason: 'image',
    message: `${url} is larger than the ${limit} bytes that are read of what tells of a box`,
    hint: 'where it is the image or the box itself, say NAME,http=URL',
  });
}
