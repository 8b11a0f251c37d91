import type { IncomingHttpHeaders } from 'node:http';
import { withoutPasswords } from '../../options/password.ts';
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

/** A redirect that is not followed. */
export class BadRedirect extends Error {
  readonly hint: string;

  constructor(message: string, hint = 'look whether the address is right') {
    super(message);
    this.hint = hint;
  }
}

/** A proxy that does not do what it is asked for. */
export class ProxyStatus extends Error {
  readonly status: number;

  constructor(status: number, options?: ErrorOptions) {
    const message =
      status === 407 ? 'the proxy wants a name and a password (407)' : `the proxy answered ${status}`;
    super(message, options);
    this.status = status;
  }

  get hint(): string {
    return this.status === 407
      ? 'say them in the address of the proxy: http://NAME:PASSWORD@HOST:PORT'
      : 'look whether the settings of the proxy are right, and whether it lets this address through';
  }
}

/** What undici throws where a proxy refuses to open a way to the server, as a fault of the proxy. */
export function faultOfProxy(error: unknown): unknown {
  const status = error instanceof Error && /^Proxy response \((\d+)\)/.exec(error.message)?.[1];
  return status ? new ProxyStatus(Number(status), { cause: error }) : error;
}

/** What broke while the body of an answer came, once so many bytes of the file were received. */
export function faultInBody(error: unknown, bytes: number, total: number | undefined): unknown {
  if (error instanceof ConnectionFault || !isConnectionFault(error)) return error;
  return new Cut(bytes, total, { cause: error });
}

/** Whether another try can go better: what failed is the connection, or a server that says so. */
export function canPass(error: unknown): boolean {
  if (error instanceof ProxyStatus) return TRANSIENT_STATUS.has(error.status);
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
  [/^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/, 'the server does not answer in HTTPS'],
  [/^(UND_ERR_INVALID_ARG|ERR_INVALID_URL)$/, 'the address is none of http or https'],
];

/** What Node says of a certificate with which a server cannot prove who it is. */
interface CertificateFault {
  readonly code: RegExp;
  readonly meaning: string;
  readonly hint: string;
}

const CERTIFICATE_FAULTS: readonly CertificateFault[] = [
  {
    code: /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/,
    meaning: 'the certificate of the server is not valid today',
    hint: 'look whether the clock of this host is right; else the server has to get a new one',
  },
  {
    code: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    meaning: 'the certificate of the server is for another host',
    hint: 'look whether the address is right',
  },
  {
    code: /SELF_SIGNED_CERT|^UNABLE_TO_(VERIFY|GET)_|^CERT_UNTRUSTED$|^INVALID_CA$/,
    meaning: 'the certificate of the server is not from an authority that this host trusts',
    hint: 'for the authority of a company, name the file with its certificate: SSL_CERT_FILE or NODE_EXTRA_CA_CERTS',
  },
];

function certificateFault(error: unknown): CertificateFault | undefined {
  return CERTIFICATE_FAULTS.find(({ code }) => code.test(codeOf(error) ?? ''));
}

/** Why a download failed, as people read it. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  const meaning =
    certificateFault(error)?.meaning ?? MEANINGS.find(([pattern]) => pattern.test(code ?? ''))?.[1];
  return meaning ?? (message === '' ? (code ?? 'unknown fault') : message);
}

/** What is thrown in the end for a download that failed. */
export function explained(shownUrl: string, error: unknown): unknown {
  if (error instanceof StartAnew || error instanceof TransientError || isDiskError(error)) return error;
  return new TransientError(
    {
      reason: 'image',
      message: `cannot download ${shownUrl}: ${reasonOf(error)}`,
      hint: hintFor(error),
    },
    { cause: error },
  );
}

function hintFor(error: unknown): string {
  if (error instanceof HttpStatus) return statusHint(error.status);
  if (error instanceof BadRedirect || error instanceof ProxyStatus) return error.hint;
  return (
    certificateFault(error)?.hint ??
    'look whether the address and the proxy settings are right; what came so far is kept, and the next attempt goes on from there'
  );
}

/** A fault of our own files, not of the connection. */
function isDiskError(error: unknown): boolean {
  return isSystemError(error) && /^(write|open|ftruncate)$/.test(error.syscall);
}

function statusHint(status: number): string {
  if (status === 401 || status === 403)
    return 'the server wants to know who asks: say it in ~/.netrc (machine HOST login NAME password PASSWORD), or in the address: http://NAME:PASSWORD@HOST/…';
  if (status === 404 || status === 410) return 'look whether the address is right: there is nothing there';
  return 'the server has a problem; try again later';
}

/** A document that is larger than anything that describes a box. */
export function tooLarge(url: string, limit: number): TransientError {
  return new TransientError({
    reason: 'image',
    message: `${withoutPasswords(url)} is larger than the ${limit} bytes that are read of what tells of a box`,
    hint: 'where it is the image or the box itself, say NAME,http=URL',
  });
}
