import * as z from 'zod';
import { lazily } from '../lazily.ts';
import { withoutPasswords } from './password.ts';
import './zod-settings.ts';

/** Commands and tables in which an option can be set. */
export type Scope =
  'everywhere' | 'run' | 'create' | 'start' | 'ssh' | 'cp' | 'commit' | 'up' | 'plan' | 'file';

/** How a later layer combines with an earlier one: a scalar is replaced, a list is appended to. */
export type Merge = 'replace' | 'append';

/** Declaration of one option: the type of its value, how it is set, and its documentation. */
export interface OptionDef<T = unknown> {
  /** Schema of the value in TOML; for a list, of one item. */
  readonly type: () => z.ZodType<T>;
  readonly merge: Merge;
  readonly scopes: readonly Scope[];
  /** Help in one sentence; it is the flag's help, the schema's description and the reference's text. */
  readonly help: string;
  /** Name of the value in help (`--ssh-port PORT`); an option without one is a switch. */
  readonly placeholder?: string;
  /** A second flag: one letter with one dash, or a word with two. */
  readonly alias?: string;
  readonly default?: NoInfer<T>;
  /** Environment variable that sets it. */
  readonly env?: string;
  /** The flag may be repeated, and the value is the number of times it was given. */
  readonly counted?: boolean;
  /** The value is a host path: relative to the file that sets it, or to the working directory. */
  readonly path?: boolean;
  /** The Python transient has no such option, so the configuration it reads must not contain it. */
  readonly unknownToPython?: boolean;
  /** Example value as TOML, for the example Transientfile. */
  readonly example: string;
}

/** Declares an option that holds one value. */
export function option<T>(def: Omit<OptionDef<T>, 'merge'>): OptionDef<T> & { readonly merge: 'replace' } {
  return { ...def, merge: 'replace' };
}

/** Declares an option that holds a list of values, appended to by each layer. */
export function list<T>(def: Omit<OptionDef<T>, 'merge'>): OptionDef<T> & { readonly merge: 'append' } {
  return { ...def, merge: 'append' };
}

/** A whole number within bounds, both included. */
export function integer(min: number, max: number): () => z.ZodType<number> {
  return lazily(() => z.int().min(min).max(max));
}

/** Schema of a boolean switch. */
export const flag = lazily(() => z.boolean());

/** A duration in seconds; fractions are allowed. */
export const seconds = lazily(() =>
  z
    .number()
    .min(0)
    .max(86_400 * 7),
);

/** A TCP port of the host. */
export const port = integer(1, 65_535);

/** Non-empty text without NUL, which a program argument cannot contain. */
export const text = lazily(() =>
  z
    .string()
    .min(1, { abort: true })
    .refine((value) => !value.includes('\0'), { error: 'must not contain a NUL character' }),
);

/** Schema of text that a parser accepts, kept as it was written; the parser returns an error as a string. */
export function written(parse: (value: string) => object | string): () => z.ZodString {
  return lazily(() =>
    text().refine((value) => typeof parse(value) !== 'string', {
      error: (issue) => parse(issue.input as string) as string,
      abort: true,
    }),
  );
}

const MEMORY_ERROR = 'must be an amount of memory such as "512M" or "2G"';

/** An amount of memory in QEMU's syntax: a number with a suffix, MiB by default. */
export const memory = lazily(() =>
  z.union(
    [
      z.string().regex(/^[1-9]\d*[KMGTkmgt]?$/, { error: MEMORY_ERROR }),
      z.int().min(1, { error: MEMORY_ERROR }),
    ],
    { error: MEMORY_ERROR },
  ),
);

/** A host path and an absolute guest path. */
export interface CopyPair {
  readonly host: string;
  readonly guest: string;
}

/** Parses `HOST:/GUEST`; returns the error as a string. */
export function parseCopyIn(pair: string): CopyPair | string {
  const [, host, guest] = /^(.+):(\/.*)$/s.exec(pair) ?? [];
  if (host !== undefined && guest !== undefined) return { host, guest };
  return 'must be HOST_PATH:GUEST_PATH, with an absolute path in the guest';
}

/** Parses `/GUEST:HOST`; returns the error as a string. */
export function parseCopyOut(pair: string): CopyPair | string {
  const [, guest, host] = /^(\/[^:]*):(.+)$/s.exec(pair) ?? [];
  if (guest !== undefined && /^\/+$/.test(guest)) return 'must not be the root directory of the guest';
  if (host !== undefined && guest !== undefined) return { host, guest };
  return 'must be GUEST_PATH:HOST_PATH, with an absolute path in the guest';
}

/** Schema of a copy into a guest, kept as the text that was written. */
export const copyIn = written(parseCopyIn);

/** Schema of a copy out of a guest, kept as the text that was written. */
export const copyOut = written(parseCopyOut);
/** Longest VM name after percent-encoding, in bytes (host/store-layout.ts). */
const LONGEST_ENCODED_NAME = 200;

/** Name of a VM in the VM store: any text that can be part of a file name once encoded. */
export const vmName = lazily(() =>
  text()
    .refine((name) => !name.startsWith('.'), { error: 'must not begin with a dot' })
    .refine((name) => !name.startsWith('-'), { error: 'must not begin with a hyphen' })
    .refine((name) => !/\p{Control}/u.test(name), { error: 'must not contain a control character' })
    .refine((name) => !/\p{Surrogate}/u.test(name), {
      error: 'must not contain an unpaired surrogate',
      abort: true,
    })
    .refine(
      (name) => encodeURIComponent(name).replaceAll(/[-!*'()]/g, '%XX').length <= LONGEST_ENCODED_NAME,
      {
        error: 'is too long for a file name',
      },
    ),
);

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
