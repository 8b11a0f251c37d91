import type { IncomingHttpHeaders } from 'node:http';
import type { StepContext } from '../../plan/executor.ts';
import type { DocumentKind } from './download-faults.ts';
import { Cut, HttpStatus, StartAnew, faultInBody, tooLarge } from './download-faults.ts';
import { encodingOf, inflated } from './encoding.ts';
import type { HttpTimes } from './http-times.ts';
import type { PartialDownload } from './partial.ts';
import type { Answer, Trust } from './requests.ts';
import { Requests } from './requests.ts';
import { Tries } from './tries.ts';

/** Progress of a download; amounts in bytes. */
export interface DownloadProgress {
  readonly done: number;
  readonly total?: number;
}

type Context = Pick<StepContext, 'signal' | 'note'>;

/**
 * Yields the bytes of a URL from the first to the last: those that an earlier attempt left in `partial`, then the rest
 * from the server, each chunk appended to `partial` before it is passed on. A broken connection is resumed. If the file
 * on the server has changed, throws {@link StartAnew} and empties `partial`.
 */
export async function* download(
  url: string,
  partial: PartialDownload,
  times: HttpTimes,
  trust: Trust,
  context: Context,
  onProgress: (progress: DownloadProgress) => void,
): AsyncGenerator<Buffer> {
  const client = await HttpClient.open(times, trust);
  const tries = new Tries(url, times, context);
  let done = 0;
  try {
    for await (const chunk of partial.read()) {
      done += chunk.length;
      yield chunk;
    }
    for (;;) {
      try {
        for await (const { chunk, total } of client.rest(url, partial, context.signal)) {
          // written while the reader works on the chunk, and before the next one is read
          const written = partial.append(chunk);
          // reported by the await below, however long the reader takes until then
          written.catch(() => undefined);
          done += chunk.length;
          tries.receive(chunk.length);
          onProgress({ done, ...(total === undefined ? {} : { total }) });
          try {
            yield chunk;
          } finally {
            await written;
          }
        }
        return;
      } catch (error) {
        await tries.again(error);
      }
    }
  } finally {
    await client.close();
  }
}

/** Fetches a small document as text; one larger than its kind allows is rejected. */
export async function fetchText(
  url: string,
  kind: DocumentKind,
  times: HttpTimes,
  context: Context,
): Promise<string> {
  const client = await HttpClient.open(times, { hasSum: false });
  const tries = new Tries(url, times, context, kind.unreachable);
  try {
    for (;;) {
      try {
        return await client.text(url, kind, context.signal);
      } catch (error) {
        await tries.again(error);
      }
    }
  } finally {
    await client.close();
  }
}

/** Reads responses, with retries left to the caller. */
class HttpClient {
  readonly #requests: Requests;

  private constructor(requests: Requests) {
    this.#requests = requests;
  }

  static async open(times: HttpTimes, trust: Trust): Promise<HttpClient> {
    return new HttpClient(await Requests.open(process.env, times, trust));
  }

  /** Fetches the rest of a file after the bytes that were received already. */
  async *rest(
    url: string,
    partial: PartialDownload,
    signal: AbortSignal,
  ): AsyncGenerator<{ chunk: Buffer; total: number | undefined }> {
    const { size, validator } = partial;
    // only with a validator: otherwise the rest could be that of another file
    const resume = size > 0 && validator !== undefined;
    if (size > 0 && !resume) await startAnew(partial);
    const headers = resume ? { range: `bytes=${size}-`, 'if-range': validator } : {};
    using answer = await this.#requests.get(url, headers, signal);
    if (answer.statusCode === 416 && totalOf(answer) === size) return;
    if (resume && (answer.statusCode !== 206 || startOf(answer) !== size)) await refuseRest(answer, partial);
    if (answer.statusCode !== 200 && answer.statusCode !== 206) {
      throw new HttpStatus(answer.statusCode, answer.headers);
    }
    const total = totalOf(answer);
    await partial.begin(validatorOf(answer.headers), encodingOf(answer.headers));
    try {
      for await (const chunk of answer.body.chunks()) yield { chunk, total };
    } catch (error) {
      throw faultInBody(error, partial.size, total);
    }
    if (total !== undefined && partial.size < total) throw new Cut(partial.size, total);
  }

  async text(url: string, kind: DocumentKind, signal: AbortSignal): Promise<string> {
    using answer = await this.#requests.get(url, { accept: kind.accept }, signal);
    if (answer.statusCode !== 200) throw new HttpStatus(answer.statusCode, answer.headers);
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of answer.body.chunks()) {
        size += chunk.length;
        if (size > kind.limit) throw tooLarge(url, kind);
        chunks.push(chunk);
      }
    } catch (error) {
      throw faultInBody(error, size, totalOf(answer));
    }
    const whole = Buffer.concat(chunks);
    return (encodingOf(answer.headers) === 'gzip' ? inflated(whole, url, kind) : whole).toString();
  }

  async close(): Promise<void> {
    await this.#requests.close();
  }
}

/** Rejects a response to a range request that is not the requested rest. */
async function refuseRest(answer: Answer, partial: PartialDownload): Promise<void> {
  const status = new HttpStatus(answer.statusCode, answer.headers);
  if (status.passes) throw status;
  if ([200, 206, 416].includes(answer.statusCode)) await startAnew(partial);
}

async function startAnew(partial: PartialDownload): Promise<never> {
  await partial.clear();
  throw new StartAnew();
}

/** Validator for If-Range: a strong ETag, otherwise Last-Modified (RFC 9110 section 13.1.5). */
function validatorOf(headers: IncomingHttpHeaders): string | undefined {
  const { etag, 'last-modified': lastModified } = headers;
  return etag !== undefined && !etag.startsWith('W/') ? etag : lastModified;
}

/** Offset of a partial response in the whole file. */
function startOf({ headers }: Answer): number | undefined {
  const start = /^bytes (\d+)-/.exec(headers['content-range'] ?? '')?.[1];
  return start === undefined ? undefined : Number(start);
}

/** Size of the whole file, from Content-Range or Content-Length. */
function totalOf({ statusCode, headers }: Answer): number | undefined {
  const range = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1];
  if (range !== undefined) return Number(range);
  const length = headers['content-length'];
  return statusCode === 200 && typeof length === 'string' ? Number(length) : undefined;
}
