import { resolve } from 'node:path';

/** The protocols of image specs. */
export const IMAGE_PROTOCOLS = ['file', 'http', 'vagrant', 'cloud'] as const;

export type ImageProtocol = (typeof IMAGE_PROTOCOLS)[number];

/** A protocol by which images are retrieved; image/sources/protocols.ts retrieves from it. */
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

/** Syntax of the names of a catalogue: `DISTRIBUTION:RELEASE[-VARIANT][@BUILD]`. */
export const CATALOG_NAME = /^[\w.-]+(:[\w.-]+)?(@[\w.:+-]+)?$/;

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
  cloud: {
    location: 'DISTRIBUTION:RELEASE',
    error: (name) =>
      CATALOG_NAME.test(name)
        ? undefined
        : 'must name an image of the catalogue after "cloud=", e.g. debian:13',
  },
};
