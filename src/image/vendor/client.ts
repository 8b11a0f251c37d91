import type * as z from 'zod';
import type { CatalogImage } from '../../catalog/catalog-image.ts';
import { Mirrors } from '../../catalog/mirrors.ts';
import { withoutPasswords } from '../../options/password.ts';
import type { StepContext } from '../../plan/executor.ts';
import { valueOrThrow } from '../../problem.ts';
import type { DocumentKind } from '../sources/download-faults.ts';
import { HttpStatus } from '../sources/download-faults.ts';
import type { HttpTimes } from '../sources/http-times.ts';
import { httpTimes } from '../sources/http-times.ts';
import { fetchText } from '../sources/http.ts';
import { isWebPage, unexpectedForm } from './faults.ts';

const HINTS = {
  hint: 'check the address, and the mirrors in use',
  unreachable:
    'check the network and the proxy settings; an image that is kept needs no network (transient image ls), and docs/images.md describes mirrors',
};

/** Documents of vendors; Ubuntu's index has some megabytes. */
const KINDS = {
  index: { name: 'an index of images', limit: 32 << 20, accept: 'application/json', ...HINTS },
  listing: { name: 'a directory listing', limit: 16 << 20, accept: 'text/html, */*', ...HINTS },
  checksums: { name: 'a checksum file', limit: 4 << 20, accept: '*/*', ...HINTS },
  signature: { name: 'a signature', limit: 64 << 10, accept: '*/*', ...HINTS },
} as const satisfies Readonly<Record<string, DocumentKind>>;

export type VendorDocument = keyof typeof KINDS;

/** Status codes of a missing file; some buckets respond with 403. */
const MISSING = new Set([403, 404, 410]);

/** Fetches documents of a vendor, from its mirrors if there are any. */
export class VendorClient {
  readonly signal: AbortSignal;
  readonly #mirrors: Mirrors;
  readonly #times: HttpTimes;
  readonly #context: Pick<StepContext, 'signal' | 'note'>;

  private constructor(mirrors: Mirrors, times: HttpTimes, context: StepContext) {
    this.signal = context.signal;
    this.#mirrors = mirrors;
    this.#times = times;
    this.#context = context;
  }

  static open(image: CatalogImage, environment: NodeJS.ProcessEnv, context: StepContext): VendorClient {
    const mirrors = valueOrThrow(Mirrors.open(environment, image));
    return new VendorClient(mirrors, httpTimes(environment), context);
  }

  /** The address of which a URL is fetched. */
  mirrored(url: string): string {
    return this.#mirrors.mirrored(url);
  }

  /** That address in messages. */
  shown(url: string): string {
    return withoutPasswords(this.mirrored(url));
  }

  /** Fetches a document. */
  async text(url: string, document: VendorDocument): Promise<string> {
    const kind = KINDS[document];
    const address = this.mirrored(url);
    const text = (await fetchText(address, kind, this.#times, this.#context)).replace(/^\uFEFF/, '');
    if (document !== 'listing' && /^\s*<(?:!doctype|html|\?xml)/i.test(text))
      throw isWebPage(this.shown(url), kind.name);
    return text;
  }

  /** Fetches a document; undefined if there is none. */
  async find(url: string, document: VendorDocument): Promise<string | undefined> {
    try {
      return await this.text(url, document);
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined;
      if (cause instanceof HttpStatus && MISSING.has(cause.status)) return undefined;
      throw error;
    }
  }

  /** Fetches an index in JSON of a certain form. */
  async json<T>(url: string, schema: z.ZodType<T>): Promise<T> {
    const text = await this.text(url, 'index');
    try {
      const parsed = schema.safeParse(JSON.parse(text));
      if (parsed.success) return parsed.data;
    } catch {
      // reported below
    }
    throw unexpectedForm(this.shown(url), KINDS.index.name);
  }
}
