import * as z from 'zod';
import { buildIn } from '../../catalog/template.ts';
import { lastComponent, nameTemplate } from './addresses.ts';
import type { Sum } from './checksum-file.ts';
import { unexpectedForm } from './faults.ts';
import type { FindBuilds } from './vendor-build.ts';
import { BUILD_FORM, isPlainPath } from './vendor-build.ts';

const FORMAT = 'upload.cloud.debian.org/image-format';
const VERSION = 'cloud.debian.org/version';
const DIGEST = 'cloud.debian.org/digest';

const indexSchema = z.object({ items: z.array(z.unknown()) });

/** An item that describes an uploaded qcow2. */
const uploadSchema = z.object({
  kind: z.literal('Upload'),
  data: z.object({ ref: z.string().refine(isPlainPath) }),
  metadata: z.object({
    annotations: z.object({ [DIGEST]: z.string() }),
    labels: z.object({ [FORMAT]: z.literal('qcow2'), [VERSION]: z.string().regex(BUILD_FORM) }),
  }),
});

/** Debian describes its newest build in a JSON file beside each image. */
export const findInDebianJson: FindBuilds<'debian-json'> = async (image, client) => {
  const { index, base } = image.resolver;
  const { items } = await client.json(index, indexSchema);
  return items.flatMap((item) => {
    const upload = uploadSchema.safeParse(item);
    if (!upload.success) return [];
    const { data, metadata } = upload.data;
    const build = metadata.labels[VERSION];
    const sum = sumOf(metadata.annotations[DIGEST]);
    const isOfBuild = buildIn(lastComponent(data.ref), nameTemplate(image)) === build;
    if (sum === undefined || !isOfBuild)
      throw unexpectedForm(client.shown(index), "Debian's index of images");
    return [{ build, url: new URL(data.ref, base).href, sum }];
  });
};

/** The checksum in an annotation: an algorithm and base64 without padding. */
function sumOf(annotation: string): Sum | undefined {
  const [, algorithm, encoded] = /^(sha256|sha512):([A-Za-z0-9+/]+)={0,2}$/.exec(annotation) ?? [];
  const digest = Buffer.from(encoded ?? '', 'base64').toString('hex');
  if (algorithm === 'sha256' && digest.length === 64) return { algorithm, digest };
  if (algorithm === 'sha512' && digest.length === 128) return { algorithm, digest };
  return undefined;
}
