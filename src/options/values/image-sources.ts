import { resolve } from 'node:path';

/** Protocols by which images are retrieved; image/sources/protocols.ts has the code that finds their bytes. */
export const IMAGE_PROTOCOLS = ['file', 'http', 'vagrant'] as const;
export type ImageProtocol = (typeof IMAGE_PROTOCOLS)[number];

/** How the text after a protocol is read. */
interface ImageSourceDef {
  /** Placeholder of a location in hints. */
  readonly location: string;
  /** Error in a location, in words that follow the name of its option. */
  readonly error?: (location: string) => string | undefined;
  /** Makes the host path in a location absolute. */
  readonly absolute?: (location: string, base: string) => string;
  /** Image names that are a location, too. */
  readonly names?: RegExp;
}

export const IMAGE_SOURCES: Readonly<Record<ImageProtocol, ImageSourceDef>> = {
  file: { location: 'PATH', absolute: (path, base) => resolve(base, path) },
  http: {
    location: 'URL',
    error: (url) =>
      /^https?:\/\//i.test(url) && URL.canParse(url)
        ? undefined
        : 'must have a URL after "http=" that begins with http:// or https://',
  },
  vagrant: {
    location: 'BOX:VERSION',
    // a path to a catalog of boxes
    absolute: (box, base) => (/^(?:\.{0,2}\/|[^:]*\.json:)/.test(box) ? resolve(base, box) : box),
    names: /^[^/\s:]+\/[^/\s:]+:[^/\s:]+$/,
  },
};
