import type { IncomingHttpHeaders } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { errorCode } from '../../problem.ts';
import type { DocumentKind } from './download-faults.ts';
import { tooLarge } from './download-faults.ts';

/** Content encoding of a response. */
export type Encoding = 'gzip';

const GZIP_MAGIC = Buffer.from('1f8b', 'hex');

/** Content encoding of a response: none is requested, but some servers send one all the same (RFC 9110 section 8.4). */
export function encodingOf(headers: IncomingHttpHeaders): Encoding | undefined {
  return /^\s*(x-)?gzip\s*$/i.test(headers['content-encoding'] ?? '') ? 'gzip' : undefined;
}

/** Whether the bytes really are gzip data: some servers report an encoding for unencoded content. */
export function isGzip(head: Buffer): boolean {
  return head.subarray(0, GZIP_MAGIC.length).equals(GZIP_MAGIC);
}

/** Decompresses a small document; a larger one than its kind allows is rejected. */
export function inflated(document: Buffer, url: string, kind: DocumentKind): Buffer {
  if (!isGzip(document)) return document;
  try {
    return gunzipSync(document, { maxOutputLength: kind.limit });
  } catch (error) {
    if (errorCode(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(url, kind);
    // it will not parse, and that is reported
    return document;
  }
}
