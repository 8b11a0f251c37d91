import * as z from 'zod';
import { lazily } from '../lazily.ts';
import { withoutPasswords } from './password.ts';
import './zod-settings.ts';

/** The commands and tables in which an option can be said. */
export type Scope =
  'everywhere' | 'run' | 'create' | 'start' | 'ssh' | 'cp' | 'commit' | 'up' | 'plan' | 'file';

/** How a later layer treats what an earlier one said: a scalar is replaced, a list grows. */
export type Merge = 'replace' | 'append';

/** One option, declared once: the type of a value, and every way in which it is said and explained. */
export interface OptionDef<T = unknown> {
  /** What one value must look like in TOML; for a list, what one item must look like. */
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
  /** How often the flag may be given to raise the value; the value counts the flags. */
  readonly counted?: boolean;
  /** The value is a path of the host: relative to the file that says it, or to the working directory. */
  readonly path?: boolean;
  /** The Python transient has no such option: what it reads of a stored VM must not hold it. */
  readonly unknownToPython?: boolean;
  /** What a Transientfile that shows it would say, as TOML. */
  readonly example: string;
}

/** Declares an option that holds one value. */
export function option<T>(def: Omit<OptionDef<T>, 'merge'>): OptionDef<T> & { readonly merge: 'replace' } {
  return { ...def, merge: 'replace' };
}

/** Declares an option that holds a list of values and grows from layer to layer. */
export function list<T>(def: Omit<OptionDef<T>, 'merge'>): OptionDef<T> & { readonly merge: 'append' } {
  return { ...def, merge: 'append' };
}

/** A whole number within bounds, both included. */
export function integer(min: number, max: number): () => z.ZodType<number> {
  return lazily(() => z.int().min(min).max(max));
}

/** Yes or no. */
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

/** Text that is not empty and holds no NUL, which no argument of a program can carry. */
export const text = lazily(() =>
  z
    .string()
    .min(1, { abort: true })
    .refine((value) => !value.includes('\0'), { error: 'must not contain a NUL character' }),
);

const MEMORY_ERROR = 'must be an amount of memory such as "512M" or "2G"';

/** An amount of memory as QEMU writes it: a number with a suffix, MiB where there is none. */
export const memory = lazily(() =>
  z.union(
    [
      z.string().regex(/^[1-9]\d*[KMGTkmgt]?$/, { error: MEMORY_ERROR }),
      z.int().min(1, { error: MEMORY_ERROR }),
    ],
    { error: MEMORY_ERROR },
  ),
);

/** A path of the host and an absolute one of a guest. */
export interface CopyPair {
  readonly host: string;
  readonly guest: string;
}

/** Reads `HOST:/GUEST`; a string says what is wrong with it. */
export function parseCopyIn(said: string): CopyPair | string {
  const [, host, guest] = /^(.+):(\/.*)$/s.exec(said) ?? [];
  if (host !== undefined && guest !== undefined) return { host, guest };
  return 'must be HOST_PATH:GUEST_PATH, with an absolute path in the guest';
}

/** Reads `/GUEST:HOST`; a string says what is wrong with it. */
export function parseCopyOut(said: string): CopyPair | string {
  const [, guest, host] = /^(\/[^:]*):(.+)$/s.exec(said) ?? [];
  if (guest !== undefined && /^\/+$/.test(guest)) return 'must name something below the root of the guest';
  if (host !== undefined && guest !== undefined) return { host, guest };
  return 'must be GUEST_PATH:HOST_PATH, with an absolute path in the guest';
}

/** What is to be copied into a guest, kept as the text that was written. */
export const copyIn = lazily(() =>
  text().refine((said) => typeof parseCopyIn(said) !== 'string', {
    error: (issue) => parseCopyIn(issue.input as string) as string,
    abort: true,
  }),
);

/** What is to be copied out of a guest, kept as the text that was written. */
export const copyOut = lazily(() =>
  text().refine((said) => typeof parseCopyOut(said) !== 'string', {
    error: (issue) => parseCopyOut(issue.input as string) as string,
    abort: true,
  }),
);
/** Longest name of a VM as part of file names, where every other character takes three (see host/store-layout.ts). */
const LONGEST_ENCODED_NAME = 200;

/** What a VM of the VM store is called: any text that can be part of a file name once it is encoded. */
export const vmName = lazily(() =>
  text()
    .refine((name) => !name.startsWith('.'), { error: 'must not begin with a dot' })
    .refine((name) => !name.startsWith('-'), { error: 'must not begin with a hyphen' })
    .refine((name) => !/\p{Control}/u.test(name), { error: 'must not hold a control character' })
    .refine((name) => !/\p{Surrogate}/u.test(name), {
      error: 'must not hold half of a character',
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

/** An image by its name in the backend and, when it is not there yet, its source. */
export interface ImageRef {
  readonly name: string;
  readonly source?: ImageSource;
}

const IMAGE_PROTOCOLS: readonly ImageSource['protocol'][] = ['file', 'http', 'vagrant'];

/** A name that is itself the name and version of a Vagrant box. */
const BOX = /^[^/\s:]+\/[^/\s:]+:[^/\s:]+$/;

/** A source as {@link parseImageSource} reads it. */
export function formatImageSource({ protocol, location }: ImageSource): string {
  return `${protocol}=${location}`;
}

/** The same for whatever is printed or stored. */
export function shownImageSource(source: ImageSource): string {
  return withoutPasswords(formatImageSource(source));
}

/** Reads `PROTOCOL=SOURCE`; a string says what is wrong with it. */
export function parseImageSource(said: string): ImageSource | string {
  const equals = said.indexOf('=');
  const protocol = IMAGE_PROTOCOLS.find((known) => known === said.slice(0, Math.max(equals, 0)));
  if (protocol === undefined) {
    return `must be PROTOCOL=SOURCE with a protocol of ${IMAGE_PROTOCOLS.join(', ')}`;
  }
  const location = said.slice(equals + 1);
  if (location === '') return `names no source after "${protocol}="`;
  if (protocol === 'http' && !isHttpUrl(location))
    return 'must have an address after "http=" that begins with http:// or https://';
  return { protocol, location };
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}

/** Reads `NAME` or `NAME,PROTOCOL=SOURCE`; a string says what is wrong with it. */
export function parseImageRef(said: string): ImageRef | string {
  const comma = said.indexOf(',');
  const name = comma < 0 ? said : said.slice(0, comma);
  if (name === '') return 'must begin with the name of an image';
  if (name.startsWith('.'))
    return 'must not begin with a dot: the backend keeps files of its own under such names';
  if (/\p{Surrogate}/u.test(name)) return 'must not hold half of a character in the name';
  if (Buffer.byteLength(encodeURIComponent(name)) > 240) return 'names an image whose name is too long';
  if (comma < 0) return BOX.test(name) ? { name, source: { protocol: 'vagrant', location: name } } : { name };
  const source = parseImageSource(said.slice(comma + 1));
  return typeof source === 'string' ? `after the name "${name}," ${source}` : { name, source };
}

/** An image spec, kept as the text that was written; {@link parseImageRef} reads it. */
export const imageSpec = lazily(() =>
  text().refine((said) => typeof parseImageRef(said) !== 'string', {
    error: (issue) => parseImageRef(issue.input as string) as string,
    abort: true,
  }),
);

/** The source half of an image spec. */
export const imageSource = lazily(() =>
  text().refine((said) => typeof parseImageSource(said) !== 'string', {
    error: (issue) => parseImageSource(issue.input as string) as string,
    abort: true,
  }),
);
