import { readFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { dirname, isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { withoutPasswords } from '../../options/password.ts';
import type { StepContext } from '../../plan/executor.ts';
import { TransientError, systemMessage } from '../../problem.ts';
import type { DocumentKind } from './download-faults.ts';
import type { HttpTimes } from './http-times.ts';
import type { Locate } from './location.ts';
import type { Expected } from '../sums.ts';
import { fetchText } from './http.ts';

/** Vagrant's default server, used when `VAGRANT_SERVER_URL` is not set. */
const DEFAULT_SERVER = 'https://vagrantcloud.com';

const METADATA: DocumentKind = {
  name: 'box metadata',
  // popular boxes have hundreds of versions
  limit: 16 << 20,
  accept: 'application/json',
  hint: 'for an image or a box itself, use NAME,http=URL',
  unreachable: 'check the URL and the proxy settings',
};

/** Providers whose boxes contain a disk that QEMU can run, preferred first. */
const PROVIDERS = ['libvirt', 'qemu'];

/** Architecture names in box metadata, by Node's name for the host's architecture. */
const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x64: ['amd64', 'x86_64', 'x64'],
  ia32: ['i386', 'i686', 'x86'],
  arm64: ['arm64', 'aarch64'],
};

const CHECKSUMS = ['md5', 'sha1', 'sha256', 'sha384', 'sha512'] as const;

/** The fields of box metadata that are used (Vagrant, box metadata format). */
const metadataSchema = z.object({
  versions: z.array(
    z.object({
      version: z.coerce.string(),
      providers: z
        .array(
          z.object({
            name: z.string(),
            url: z.string(),
            checksum: z.string().nullish(),
            checksum_type: z.string().nullish(),
            architecture: z.string().nullish(),
          }),
        )
        .default([]),
    }),
  ),
});

type Provider = z.infer<typeof metadataSchema>['versions'][number]['providers'][number];

/** Resolves a box: `USER/BOX:VERSION` at a registry, or `CATALOG:VERSION` with the URL or file of a catalog. */
export const locateBox: Locate = async (source, times, context) => {
  const { box, version } = parseBox(source);
  const catalog = catalogOf(box, process.env);
  const text = await readCatalog(box, catalog, times, context);
  const provider = providerIn(parseMetadata(text, catalog), box, version);
  const located = { location: absoluteUrl(provider.url, catalog), expected: checksumsOf(provider, box) };
  context.note(`Pulling from vagrant cloud: ${withoutPasswords(`${box}:${version}`)}`);
  return located;
};

function parseBox(location: string): { box: string; version: string } {
  const [, box, version] = /^(.+):([^:/]+)$/.exec(location) ?? [];
  if (box !== undefined && version !== undefined) return { box, version };
  throw problem(`the vagrant box '${location}' needs a version`, `write it as ${location}:VERSION`);
}

/** URL of a box's metadata: the one that Vagrant 2.4 requests from a registry, or the catalog that was named. */
function catalogOf(box: string, environment: Readonly<Record<string, string | undefined>>): string {
  if (/^https?:\/\//.test(box) || isAbsolute(box)) return box;
  const server = (environment['VAGRANT_SERVER_URL'] ?? DEFAULT_SERVER).replace(/\/+$/, '');
  const [user = '', name = '', ...rest] = box.split('/');
  if (user === '' || name === '' || rest.length > 0)
    throw problem(`'${box}' is not a valid vagrant box name`, 'the form is USER/BOX');
  return `${server}/api/v2/vagrant/${encodeURIComponent(user)}/${encodeURIComponent(name)}`;
}

async function readCatalog(
  box: string,
  catalog: string,
  times: HttpTimes,
  context: Pick<StepContext, 'signal' | 'note'>,
): Promise<string> {
  if (/^https?:/.test(catalog)) {
    return fetchText(catalog, METADATA, times, context).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
      throw problem(
        `there is no vagrant box '${box}' at ${catalog}`,
        'check its name, and that the server (VAGRANT_SERVER_URL) has it',
      );
    });
  }
  return readFile(catalog, 'utf8').catch((cause: unknown) => {
    throw problem(
      `cannot read the box catalog ${catalog}: ${systemMessage(cause)}`,
      'the URL of a catalog must begin with http:// or https://, also in VAGRANT_SERVER_URL',
      cause,
    );
  });
}

function isNotFound(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'status' in cause && cause.status === 404;
}

function parseMetadata(text: string, catalog: string): z.infer<typeof metadataSchema> {
  try {
    // skips a byte order mark, which some editors write
    const parsed = metadataSchema.safeParse(JSON.parse(text.replace(/^\uFEFF/, '')));
    if (parsed.success) return parsed.data;
  } catch {
    // reported below
  }
  throw problem(
    `${catalog} is not the metadata of a vagrant box`,
    'for a box itself, use NAME,http=URL or NAME,file=PATH',
  );
}

function providerIn({ versions }: z.infer<typeof metadataSchema>, box: string, version: string): Provider {
  const found =
    versions.find((one) => one.version === version) ?? versions.find((one) => `v${one.version}` === version);
  if (found === undefined) {
    const available = versions.map((one) => one.version).slice(0, 30);
    throw problem(
      `the vagrant box '${box}' has no version '${version}'`,
      `available: ${available.join(', ') || 'none'}`,
    );
  }
  const [best] = PROVIDERS.flatMap((name) =>
    byArchitecture(found.providers.filter((one) => one.name === name)),
  );
  if (best !== undefined) return best;
  const offered = found.providers.map(({ name, architecture }) =>
    architecture ? `${name} (${architecture})` : name,
  );
  throw problem(
    `the vagrant box '${box}:${version}' is not available for QEMU on ${architectureNames()[0] ?? arch()}`,
    `it needs the provider ${PROVIDERS.join(' or ')}; available: ${offered.join(', ') || 'none'}`,
  );
}

/** Sorts providers for this host's architecture first, then those without one; others are dropped. */
function byArchitecture(providers: readonly Provider[]): Provider[] {
  const names = architectureNames();
  const ours = providers.filter(({ architecture }) => names.includes(architecture?.trim() ?? ''));
  return [...ours, ...providers.filter(({ architecture }) => !architecture || architecture === 'unknown')];
}

/** Names of the host's architecture in box metadata, Vagrant's own first. */
function architectureNames(): readonly string[] {
  return ARCHITECTURES[arch()] ?? [arch()];
}

function absoluteUrl(url: string, catalog: string): string {
  if (/^https?:\/\//.test(catalog)) {
    const absolute = withCredentialsOf(new URL(catalog), new URL(url, catalog));
    if (absolute.protocol === 'http:' || absolute.protocol === 'https:') return absolute.href;
    throw problem(
      `the metadata at ${catalog} leads to ${url}, which is not an http or https URL`,
      'metadata on a server may only reference http:// or https:// URLs',
    );
  }
  if (/^https?:\/\//.test(url)) return url;
  return url.startsWith('file:') ? fileURLToPath(url) : resolve(dirname(catalog), url);
}

/** Adds the catalog's credentials when the box is fetched from the same server. */
function withCredentialsOf({ origin, username, password }: URL, target: URL): URL {
  if (target.origin !== origin || target.username !== '') return target;
  return Object.assign(new URL(target), { username, password });
}

function checksumsOf({ checksum, checksum_type: type }: Provider, box: string): Expected[] {
  const digest = checksum?.trim().toLowerCase();
  if (!digest || !type?.trim()) return [];
  const algorithm = CHECKSUMS.find((name) => name === type.trim().toLowerCase().replace('-', ''));
  if (algorithm === undefined)
    throw problem(
      `the checksum of the vagrant box '${box}' has an unknown type: ${type}`,
      `supported: ${CHECKSUMS.join(', ')}; or download the box and use NAME,file=PATH`,
    );
  return [{ algorithm, digest }];
}

function problem(message: string, hint?: string, cause?: unknown): TransientError {
  const shown = { message: withoutPasswords(message), ...(hint ? { hint: withoutPasswords(hint) } : {}) };
  return new TransientError({ reason: 'image', ...shown }, { cause });
}
