import * as z from 'zod';
import { buildIn } from '../../catalog/template.ts';
import { lastComponent, nameTemplate } from './addresses.ts';
import type { FindBuilds } from './vendor-build.ts';

const indexSchema = z.array(z.unknown());

/** An image; sizes are numbers or text. */
const imageSchema = z.object({
  version: z.string(),
  arch: z.string(),
  link: z.string().regex(/^https?:\/\//),
  sha256: z.string().regex(/^[0-9a-f]{64}$/i),
  size: z.coerce.number().int().positive().optional().catch(undefined),
});

/** Fedora lists the images of all its releases in one JSON file. */
export const findInFedoraReleases: FindBuilds<'fedora-releases-json'> = async (image, client) => {
  const { release, architecture, resolver } = image;
  const images = await client.json(resolver.index, indexSchema);
  return images.flatMap((entry) => {
    const parsed = imageSchema.safeParse(entry);
    if (!parsed.success) return [];
    const { version, arch, link, sha256, size } = parsed.data;
    const build = buildIn(lastComponent(link), nameTemplate(image));
    if (build === undefined || version !== release || arch !== architecture) return [];
    return [
      {
        build,
        url: link,
        sum: { algorithm: 'sha256' as const, digest: sha256.toLowerCase() },
        ...(size === undefined ? {} : { size }),
      },
    ];
  });
};
