import { withoutPasswords } from '../password.ts';
import type { ImageProtocol } from './image-sources.ts';
import { IMAGE_PROTOCOLS, IMAGE_SOURCES } from './image-sources.ts';
import { text } from './primitives.ts';
import { absolute, codec } from './value-type.ts';

/** Where an image comes from. */
export interface ImageSource {
  readonly protocol: ImageProtocol;
  readonly location: string;
}

/** An image by its name in the backend, with the source it is retrieved from if it is missing. */
export interface ImageRef {
  readonly name: string;
  readonly source?: ImageSource;
}

/** A source, `PROTOCOL=LOCATION`. */
export const imageSource = codec<ImageSource>(text, {
  decode: (value, fail) => {
    const [, name, location = ''] = /^([^=]*)=(.*)$/s.exec(value) ?? [];
    const protocol = IMAGE_PROTOCOLS.find((one) => one === name);
    if (protocol === undefined)
      return fail(`must be PROTOCOL=SOURCE with a protocol of ${IMAGE_PROTOCOLS.join(', ')}`);
    if (location === '') return fail(`has no source after "${protocol}="`);
    const error = IMAGE_SOURCES[protocol].error?.(location);
    return error === undefined ? { protocol, location } : fail(error);
  },
  encode: ({ protocol, location }) => `${protocol}=${location}`,
  absolute: ({ protocol, location }, base) => ({
    protocol,
    location: IMAGE_SOURCES[protocol].absolute?.(location, base) ?? location,
  }),
});

/** Formats a source without passwords, to be printed or stored. */
export function shownImageSource(source: ImageSource): string {
  return withoutPasswords(imageSource.encode(source));
}

/** An image spec: `NAME`, or `NAME,PROTOCOL=LOCATION`. It is written without passwords. */
export const imageSpec = codec<ImageRef>(text, {
  decode: (spec, fail) => {
    const [, name = '', source] = /^([^,]*)(?:,(.*))?$/s.exec(spec) ?? [];
    if (name === '') return fail('must begin with the name of an image');
    if (name.startsWith('.')) return fail('must not begin with a dot: the backend reserves such names');
    if (/\p{Surrogate}/u.test(name)) return fail('must not contain an unpaired surrogate in the name');
    if (Buffer.byteLength(encodeURIComponent(name)) > 240) return fail('has an image name that is too long');
    if (source === undefined) return { name };
    return {
      name,
      source: imageSource.decode(source, (message) => fail(`after the name "${name}," ${message}`)),
    };
  },
  encode: ({ name, source }) =>
    withoutPasswords(source === undefined ? name : `${name},${imageSource.encode(source)}`),
  absolute: ({ name, source }, base) =>
    source === undefined ? { name } : { name, source: absolute(imageSource, source, base) },
});

/** The image with the source that its name stands for, if it has none of its own. */
export function withImpliedSource(image: ImageRef): ImageRef {
  const protocol = IMAGE_PROTOCOLS.find((one) => IMAGE_SOURCES[one].names?.test(image.name));
  if (image.source !== undefined || protocol === undefined) return image;
  return { ...image, source: { protocol, location: image.name } };
}
