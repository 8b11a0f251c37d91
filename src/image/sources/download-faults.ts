import type { IncomingHttpHeaders } from 'node:http';
import { withoutPasswords } from '../../options/password.ts';
import { TransientError, errorCode, isSystemError } from '../../problem.ts';

/** Maximum number of redirects. */
export const REDIRECTS = 10;

/** Status codes after which the same request may succeed a moment later (RFC 9110 section 15). */
const TRANSIENT_STATUS = new Set([408, 429, 500, 502, 503, 504]);

/**
 * Signals that the file on the server changed or that the server cannot resume: the bytes passed on so far are void.
 */
export class StartAnew extends Error {}

/** A response with an unexpected status. */
export class HttpStatus extends Error {
  readonly status: number;
  /** Value of Retry-After, in milliseconds. */
  readonly retryAfter: number | undefined;

  constructor(status: number, headers: IncomingHttpHeaders) {
    const redirected = status >= 300 && status < 400 && headers.location !== undefined;
    super(
      redirected ? `redirected more than ${REDIRECTS} times` : `the server responded with status ${status}`,
    );
    this.status = status;
    const seconds = Number(headers['retry-after']);
    this.retryAfter = Number.isFinite(seconds) ? seconds * 1000 : undefined;
  }

  get passes(): boolean {
    return TRANSIENT_STATUS.has(this.status);
  }
}

/** A failed connection, described in our words; a retry may succeed. */
export class ConnectionFault extends Error {}

/** A connection that closed before the end of the file. */
export class Cut extends ConnectionFault {
  constructor(bytes: number, total: number | undefined, options?: ErrorOptions) {
    super(
      `the connection was closed after ${bytes}${total === undefined ? '' : ` of ${total}`} bytes`,
      options,
    );
  }
}

/** A server that accepts a connection and does not respond; the time in milliseconds. */
export class NoHttpAnswer extends ConnectionFault {
  constructor(time: number) {
    super(`no response within ${time / 1000} s`);
  }
}

/** A server that sends its response too slowly; the time in milliseconds. */
export class TooSlow extends ConnectionFault {
  constructor(bytes: number, time: number) {
    const amount = bytes === 1 ? 'only 1 byte' : `only ${bytes} bytes`;
    super(`${bytes === 0 ? 'nothing' : amount} came ${bytes === 0 ? 'for' : 'in'} ${time / 1000} s`);
  }
}

/** A redirect that is not followed. */
export class BadRedirect extends Error {
  readonly hint: string;

  constructor(message: string, hint = 'check the URL') {
    super(message);
    this.hint = hint;
  }
}

/** A proxy that refuses a request. */
export class ProxyStatus extends Error {
  readonly status: number;

  constructor(status: number, options?: ErrorOptions) {
    const message =
      status === 407
        ? 'the proxy requires a user name and password (407)'
        : `the proxy responded with status ${status}`;
    super(message, options);
    this.status = status;
  }

  get hint(): string {
    return this.status === 407
      ? "put them in the proxy's URL: http://NAME:PASSWORD@HOST:PORT"
      : 'check the proxy settings, and whether the proxy allows this URL';
  }
}

/** Converts undici's error for a refused CONNECT into a proxy error. */
export function faultOfProxy(error: unknown): unknown {
  const status = error instanceof Error && /^Proxy response \((\d+)\)/.exec(error.message)?.[1];
  return status ? new ProxyStatus(Number(status), { cause: error }) : error;
}

/** Converts an error in the response body, after `bytes` of the file were received. */
export function faultInBody(error: unknown, bytes: number, total: number | undefined): unknown {
  if (error instanceof ConnectionFault || !isConnectionFault(error)) return error;
  return new Cut(bytes, total, { cause: error });
}

/** Whether a retry may succeed: the connection failed, or the server's status is temporary. */
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

/** Code of an error; undici's HTTP parser sets none if it cannot continue. */
function codeOf(error: unknown): string | undefined {
  const isParserFault = error instanceof Error && error.name === 'HTTPParserError';
  return errorCode(error) ?? (isParserFault ? 'HPE_UNKNOWN' : undefined);
}

/** Descriptions of error codes of Node, its HTTP parser and undici before a response. */
const MEANINGS: readonly (readonly [code: RegExp, meaning: string])[] = [
  [/^ENOTFOUND$/, 'no such host'],
  [/^EAI_AGAIN$/, 'temporary failure in name resolution'],
  [/^ECONNREFUSED$/, 'connection refused'],
  [/^(ENETUNREACH|EHOSTUNREACH)$/, 'the host is unreachable'],
  [/^(ETIMEDOUT|UND_ERR_\w+_TIMEOUT)$/, 'the host does not respond'],
  [/^(ECONN|EPIPE|UND_ERR_SOCKET)/, 'the connection was closed before a response arrived'],
  [/^(HPE_|UND_ERR_RES_)/, 'the server does not speak HTTP'],
  [/^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/, 'the server does not speak HTTPS'],
  [/^(UND_ERR_INVALID_ARG|ERR_INVALID_URL)$/, 'not an http or https URL'],
];

/** A certificate error of Node. */
interface CertificateFault {
  readonly code: RegExp;
  readonly meaning: string;
  readonly hint: string;
}

const CERTIFICATE_FAULTS: readonly CertificateFault[] = [
  {
    code: /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/,
    meaning: "the server's certificate has expired or is not yet valid",
    hint: "check this host's clock; if it is right, the server needs a new certificate",
  },
  {
    code: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    meaning: "the server's certificate is for another host",
    hint: 'check the URL',
  },
  {
    code: /SELF_SIGNED_CERT|^UNABLE_TO_(VERIFY|GET)_|^CERT_UNTRUSTED$|^INVALID_CA$/,
    meaning: "the server's certificate is not signed by an authority that this host trusts",
    hint: "for a company's own authority, set SSL_CERT_FILE or NODE_EXTRA_CA_CERTS to its certificate file",
  },
];

function certificateFault(error: unknown): CertificateFault | undefined {
  return CERTIFICATE_FAULTS.find(({ code }) => code.test(codeOf(error) ?? ''));
}

/** Describes why a download failed, for people. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  const meaning =
    certificateFault(error)?.meaning ?? MEANINGS.find(([pattern]) => pattern.test(code ?? ''))?.[1];
  return meaning ?? (message === '' ? (code ?? 'unknown error') : message);
}

/** Remedy if a server cannot be reached. */
export const UNREACHABLE =
  'check the URL and the proxy settings; the partial download is kept, and the next attempt resumes it';

/** Final error of a failed download; `unreachable` is the remedy if the server cannot be reached. */
export function explained(shownUrl: string, error: unknown, unreachable: string): unknown {
  if (error instanceof StartAnew || error instanceof TransientError || isDiskError(error)) return error;
  return new TransientError(
    {
      reason: 'image',
      message: `cannot download ${shownUrl}: ${reasonOf(error)}`,
      hint: hintFor(error, unreachable),
    },
    { cause: error },
  );
}

function hintFor(error: unknown, unreachable: string): string {
  if (error instanceof HttpStatus) return statusHint(error.status);
  if (error instanceof BadRedirect || error instanceof ProxyStatus) return error.hint;
  return certificateFault(error)?.hint ?? unreachable;
}

/** Whether an error concerns local files and not the connection. */
function isDiskError(error: unknown): boolean {
  return isSystemError(error) && /^(write|open|ftruncate)$/.test(error.syscall);
}

function statusHint(status: number): string {
  if (status === 401 || status === 403)
    return 'the server requires a login: set it in ~/.netrc (machine HOST login NAME password PASSWORD), or in the URL: http://NAME:PASSWORD@HOST/…';
  if (status === 404 || status === 410) return 'check the URL: the server has nothing at it';
  return 'the server has a problem; try again later';
}

/** A small document that is requested. */
export interface DocumentKind {
  /** Name of its kind in messages. */
  readonly name: string;
  /** Largest size that is accepted, in bytes. */
  readonly limit: number;
  readonly accept: string;
  /** Remedy if it is larger. */
  readonly hint: string;
  /** Remedy if its server cannot be reached. */
  readonly unreachable: string;
}

/** Error for a document larger than any of its kind. */
export function tooLarge(url: string, { name, limit, hint }: DocumentKind): TransientError {
  return new TransientError({
    reason: 'image',
    message: `${withoutPasswords(url)} is larger than the ${limit} bytes that are allowed for ${name}`,
    hint,
  });
}
