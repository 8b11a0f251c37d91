import { withoutPasswords } from '../password.ts';
import { written } from './primitives.ts';

/** Where an image comes from. */
export interface ImageSource {
  readonly protocol: 'file' | 'http' | 'vagrant';
  readonly location: string;
}

/** An image by its name in the backend, with the source it is retrieved from if it is missing. */
export interface ImageRef {
  readonly name: string;
  readonly source?: ImageSource;
}

const IMAGE_PROTOCOLS: readonly ImageSource['protocol'][] = ['file', 'http', 'vagrant'];

/** Matches a name that is also the name and version of a Vagrant box. */
const BOX = /^[^/\s:]+\/[^/\s:]+:[^/\s:]+$/;

/** Formats a source for {@link parseImageSource}. */
export function formatImageSource({ protocol, location }: ImageSource): string {
  return `${protocol}=${location}`;
}

/** Formats a source without passwords, to be printed or stored. */
export function shownImageSource(source: ImageSource): string {
  return withoutPasswords(formatImageSource(source));
}

/** Parses `PROTOCOL=SOURCE`; returns the error as a string. */
export function parseImageSource(value: string): ImageSource | string {
  const equals = value.indexOf('=');
  const protocol = IMAGE_PROTOCOLS.find((name) => name === value.slice(0, Math.max(equals, 0)));
  if (protocol === undefined) {
    return `must be PROTOCOL=SOURCE with a protocol of ${IMAGE_PROTOCOLS.join(', ')}`;
  }
  const location = value.slice(equals + 1);
  if (location === '') return `has no source after "${protocol}="`;
  if (protocol === 'http' && !isHttpUrl(location))
    return 'must have a URL after "http=" that begins with http:// or https://';
  return { protocol, location };
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}

/** Parses `NAME` or `NAME,PROTOCOL=SOURCE`; returns the error as a string. */
export function parseImageRef(spec: string): ImageRef | string {
  const comma = spec.indexOf(',');
  const name = comma < 0 ? spec : spec.slice(0, comma);
  if (name === '') return 'must begin with the name of an image';
  if (name.startsWith('.')) return 'must not begin with a dot: the backend reserves such names';
  if (/\p{Surrogate}/u.test(name)) return 'must not contain an unpaired surrogate in the name';
  if (Buffer.byteLength(encodeURIComponent(name)) > 240) return 'has an image name that is too long';
  if (comma < 0) return BOX.test(name) ? { name, source: { protocol: 'vagrant', location: name } } : { name };
  const source = parseImageSource(spec.slice(comma + 1));
  return typeof source === 'string' ? `after the name "${name}," ${source}` : { name, source };
}

/** Schema of an image spec, kept as the text that was written; {@link parseImageRef} parses it. */
export const imageSpec = written(parseImageRef);

/** Schema of the source half of an image spec. */
export const imageSource = written(parseImageSource);
