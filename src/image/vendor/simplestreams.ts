import * as z from 'zod';
import { unexpectedForm } from './faults.ts';
import type { FindBuilds } from './vendor-build.ts';
import { BUILD_FORM, isPlainPath } from './vendor-build.ts';

const indexSchema = z.object({ products: z.record(z.string(), z.unknown()) });

const productSchema = z.object({
  versions: z.record(z.string().regex(BUILD_FORM), z.object({ items: z.record(z.string(), z.unknown()) })),
});

const itemSchema = z.object({
  path: z.string().refine(isPlainPath),
  sha256: z.string().regex(/^[0-9a-f]{64}$/i),
  size: z.number().int().nonnegative().optional(),
});

/** Ubuntu lists the builds of all its images in one index (simplestreams). */
export const findInSimplestreams: FindBuilds<'simplestreams'> = async (image, client) => {
  const { index, product: name, item: itemName, root } = image.resolver;
  const { products } = await client.json(index, indexSchema);
  if (products[name] === undefined) return [];
  const product = productSchema.safeParse(products[name]);
  if (!product.success) throw unexpectedForm(client.shown(index), 'an index of simplestreams');
  return Object.entries(product.data.versions).flatMap(([build, { items }]) => {
    const item = itemSchema.safeParse(items[itemName]);
    if (!item.success) return [];
    const { path, sha256, size } = item.data;
    return [
      {
        build,
        url: `${root}${path}`,
        sum: { algorithm: 'sha256' as const, digest: sha256.toLowerCase() },
        ...(size === undefined ? {} : { size }),
      },
    ];
  });
};
