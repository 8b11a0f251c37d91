import * as z from 'zod';
import { lazily } from '../lazily.ts';

const template = lazily(() => z.string().min(1));

const url = lazily(() =>
  z.string().regex(/^https?:\/\/[^/]+\/(?:.*\/)?$/, {
    error: 'must be an http or https URL that ends in "/"',
  }),
);

/** Keys of every resolver. */
const common = lazily(() => ({
  /** Address of the vendor's images, `{base}` in templates; TRANSIENT_MIRROR_NAME replaces it. */
  base: url(),
  /** Further addresses of the same tree, which that variable replaces too. */
  'other-bases': z.array(url()).default([]),
  /** URL of the image of a build. */
  image: template(),
  /** URL of the checksum file of a build. */
  checksums: template().optional(),
  /** URL of the detached signature of the checksum file, or `inside` if the file is clear-signed. */
  signature: template().optional(),
}));

/** URL of the document that names the newest build. */
const indexed = lazily(() => ({ ...common(), index: template() }));

/** The ways in which vendors publish images, with their addresses. */
export const resolverSchema = lazily(() =>
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('debian-json'), ...indexed() }),
    z.strictObject({
      kind: z.literal('simplestreams'),
      ...indexed(),
      /** Name of the product and of the item in the index, and the URL below which their paths are. */
      product: template(),
      item: template(),
      root: template(),
    }),
    z.strictObject({ kind: z.literal('fedora-releases-json'), ...indexed() }),
    z.strictObject({ kind: z.literal('checksum-newest'), ...indexed() }),
    z.strictObject({ kind: z.literal('checksum-of-file'), ...common() }),
    z.strictObject({
      kind: z.literal('listing-newest'),
      ...indexed(),
      /** Name in the listing; by default that of the image. */
      entry: template().optional(),
    }),
  ]),
);

export type Resolver = z.output<ReturnType<typeof resolverSchema>>;
export type ResolverKind = Resolver['kind'];

/** Some of the keys of a resolver: those that a variant or a release replaces. */
export const resolverKeys = lazily(() => {
  const kinds = resolverSchema().options;
  return z.strictObject({
    kind: z.enum(kinds.map(({ shape }) => shape.kind.value)).optional(),
    base: url().optional(),
    'other-bases': z.array(url()).optional(),
    ...Object.fromEntries(TEMPLATES.map((key) => [key, template().optional()])),
  });
});

/** Keys whose values are templates. */
export const TEMPLATES: readonly string[] = [
  'index',
  'image',
  'checksums',
  'signature',
  'product',
  'item',
  'root',
  'entry',
];
