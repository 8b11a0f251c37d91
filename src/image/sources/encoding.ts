import type { IncomingHttpHeaders } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { errorCode } from '../../problem.ts';
import { tooLarge } from './download-faults.ts';

/** How what is sent differs from what is kept at an address. */
export type Encoding = 'gzip';

const GZIP_MAGIC = Buffer.from('1f8b', 'hex');

/** We ask for no encoding, and some servers send one all the same (RFC 9110 section 8.4). */
export function encodingOf(headers: IncomingHttpHeaders): Encoding | undefined {
  return /^\s*(x-)?gzip\s*$/i.test(headers['content-encoding'] ?? '') ? 'gzip' : undefined;
}

/** Whether bytes begin what the encoding makes: a server can say so of what it sends as it is. */
export function isGzip(head: Buffer): boolean {
  return head.subarray(0, GZIP_MAGIC.length).equals(GZIP_MAGIC);
}

/** A small document as it is kept; one that unpacks to more than `limit` bytes is refused. */
export function inflated(document: Buffer, url: string, limit: number): Buffer {
  if (!isGzip(document)) return document;
  try {
    return gunzipSync(document, { maxOutputLength: limit });
  } catch (error) {
    if (errorCode(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(url, limit);
    // what it says will not be metadata, and that is told
    return document;
  }
}
