import * as z from 'zod';
import type { Document } from '../config/document.ts';
import { inFile } from '../config/locate.ts';
import { lazily } from '../lazily.ts';
import { dotted, problemsOf } from '../options/issues.ts';
import '../options/zod-settings.ts';
import type { KeyPath, Problem, Result } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import { resolverKeys } from './resolver.ts';

/** Form of the name of a distribution, which is that of its file. */
export const DISTRIBUTION_NAME = /^[a-z][a-z0-9-]*$/;

const word = lazily(() =>
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, {
    error: 'must begin with a letter or digit and contain only letters, digits, ".", "_" and "-"',
  }),
);

const names = lazily(() => z.array(word()).optional());

const architecture = lazily(() => z.enum(['x86_64', 'aarch64']));

/** Keys that a variant and a release may replace. */
const replaceable = lazily(() => ({
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]*$/, { error: 'must be the name of a user' })
    .optional(),
  shell: z.string().startsWith('/', { error: 'must be an absolute path' }).optional(),
  privilege: z.enum(['sudo', 'doas', 'none']).optional(),
  'set-up-by': z.enum(['cloud-init', 'nuageinit']).optional(),
  'network-config': z.union([z.literal(1), z.literal(2)], { error: 'must be 1 or 2' }).optional(),
  firmware: z.array(z.enum(['bios', 'uefi'])).optional(),
  'cpu-level': z.enum(['x86-64-v2', 'x86-64-v3']).optional(),
  architectures: z.array(architecture()).optional(),
  /** Further placeholders of templates. */
  words: z.record(z.string(), z.string()).optional(),
  keys: z.array(z.string().regex(/^[^/].*\.asc$/, { error: 'must be the name of an .asc file' })).optional(),
  fingerprints: z
    .array(
      z.string().regex(/^(?:[0-9A-F]{40}|[0-9A-F]{64})$/, {
        error: 'must be the fingerprint of a key: 40 or 64 hexadecimal digits in capitals',
      }),
    )
    .optional(),
  resolver: resolverKeys().optional(),
}));

/** A variant of the images of a distribution; the first is the default. */
const variant = lazily(() => z.strictObject({ name: word(), ...replaceable() }));

const release = lazily(() =>
  z.strictObject({
    name: word(),
    codename: word().optional(),
    'other-names': names(),
    /** Variants that it has; by default all. */
    variants: names(),
    ...replaceable(),
  }),
);

/** The vendor's name of an architecture: a word for `{arch}`, or several words. */
const vendorArchitecture = lazily(() => z.union([z.string(), z.record(z.string(), z.string())]));

const distribution = lazily(() => {
  const { user, resolver, ...others } = replaceable();
  return z.strictObject({
    title: z.string().min(1),
    'other-names': names(),
    user: user.unwrap(),
    ...others,
    // keys are read with hyphens
    architectures: z.strictObject({
      'x86-64': vendorArchitecture().optional(),
      aarch64: vendorArchitecture().optional(),
    }),
    variants: z.array(variant()).optional(),
    releases: z.array(release()).refine((releases) => releases.length > 0, { error: 'must have a release' }),
    resolver: resolver.unwrap(),
  });
});

export type Distribution = z.output<ReturnType<typeof distribution>>;
export type Release = Distribution['releases'][number];
export type Variant = NonNullable<Distribution['variants']>[number];

/** Checks the file of a distribution, bundled or the user's. */
export function checkDistribution(document: Document): Result<Distribution> {
  const checked = distribution().safeParse(document.data, { reportInput: true });
  const problems = [...document.faults, ...(checked.error ? problemsIn(document, checked.error, []) : [])];
  if (!checked.success || problems.length > 0) return failed(...problems);
  return ok(checked.data);
}

/** Problems of the table at a key path of the file of a distribution. */
export function problemsIn(document: Document, { issues }: z.ZodError, base: KeyPath): Problem[] {
  const inTable = issues.map((issue) => ({ ...issue, path: [...base, ...issue.path] }));
  return problemsOf(new z.ZodError(inTable), {
    name: dotted,
    where: (path, on) => inFile(document, path, on),
    keys: keysAt,
    reference: 'the documentation of the catalogue',
  });
}

function keysAt(path: KeyPath): string[] {
  const [table] = path;
  if (table === undefined) return Object.keys(distribution().shape);
  if (path.at(-1) === 'resolver') return Object.keys(resolverKeys().shape);
  if (table === 'architectures') return ['x86_64', 'aarch64'];
  if (path.length !== 2) return [];
  if (table === 'releases') return Object.keys(release().shape);
  return table === 'variants' ? Object.keys(variant().shape) : [];
}
