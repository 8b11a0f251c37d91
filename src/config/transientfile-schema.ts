import * as z from 'zod';
import { lazily } from '../lazily.ts';
import { imageSource, imageSpec } from '../options/values/image-spec.ts';
import { vmName } from '../options/values/vm-name.ts';
import { shapeOf } from '../options/schema.ts';
import { codec } from '../options/values/value-type.ts';
import { optionsIn } from '../options/table.ts';
import type { KeyPath } from '../problem.ts';
import type { Document } from './document.ts';
import { memberships, networkShape } from './networks.ts';
import { tableOf } from './vm-keys.ts';
import type { Dependency } from './vm-spec.ts';

const name = lazily(() =>
  z.string().regex(/^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/, {
    error: 'must begin and end with a letter or digit and contain only letters, digits, ".", "_" and "-"',
  }),
);

const imageName = lazily(() =>
  z.string().refine((value) => value !== '' && value !== '.' && value !== '..' && !value.includes(','), {
    error: 'must be an image name without a comma',
  }),
);

const dependencyInput = lazily(() =>
  z.union(
    [
      name(),
      z.strictObject({
        vm: name().describe('a VM of this file'),
        until: z
          .enum(['started', 'ready', 'done'])
          .default('ready')
          .meta({ description: 'state it must have reached; done: its command exited with 0' }),
      }),
    ],
    { error: 'must be the name of a VM, or a table such as { vm = "db", until = "done" }' },
  ),
);

/** A dependency: the name of a VM, or a table with the state it must have reached. */
export const dependency = codec<Dependency, z.output<ReturnType<typeof dependencyInput>>>(dependencyInput, {
  decode: (value) => (typeof value === 'string' ? { vm: value, until: 'ready' } : value),
  encode: (value) => value,
});

const project = lazily(() =>
  z.strictObject({
    name: name()
      .optional()
      .describe(
        'name of the project, part of the name of its running VMs [default: the name of the directory]',
      ),
  }),
);

const image = lazily(() =>
  z.strictObject({
    source: imageSource().describe('where the image comes from, as in an image spec: PROTOCOL=SOURCE'),
    sha256: z
      .string()
      .regex(/^[0-9a-fA-F]{64}$/, { error: 'must be a SHA-256 checksum: 64 hexadecimal digits' })
      .toLowerCase()
      .optional()
      .describe('SHA-256 checksum of the downloaded file, as printed by sha256sum'),
  }),
);

/** Keys of a VM table that are not options. */
const OF_VM = {
  image: () =>
    imageSpec().optional().describe('a name from [images], or an image spec: NAME or NAME,PROTOCOL=SOURCE'),
  'depends-on': () =>
    z
      .array(dependency())
      .optional()
      .describe('VMs of this file that must be ready (or started, or done) before this one boots'),
  networks: memberships,
  name: () =>
    vmName()
      .optional()
      .describe('name of the VM in the VM store, where its disks stay until "transient rm NAME"'),
  persistent: () =>
    z.boolean().optional().describe('keep the VM in the VM store, as PROJECT-VM unless "name" is set'),
};

/** Tests whether a key occurs in any table of a file. */
type IsPresent = (key: string) => boolean;

function vmTable(isPresent: IsPresent) {
  return z.strictObject({
    ...presentSchemas(OF_VM, isPresent),
    ...shapeOf(optionsIn('file').filter(isPresent)),
  });
}

/** JSON Schema rule for editors; brokenReferences gives a better message. */
const IMAGE_SOMEWHERE = {
  if: { required: ['defaults'], properties: { defaults: { required: ['image'] } } },
  else: { properties: { vms: { additionalProperties: { required: ['image'] } } } },
};

function fileTable(isPresent: IsPresent) {
  const vm = lazily(() => vmTable(isPresent));
  const tables = {
    project: () => project().optional().describe('the project'),
    defaults: () =>
      vm().optional().describe('options of every VM of this file, unless its own table replaces them'),
    images: () => z.record(imageName(), image()).optional().describe('images by name'),
    networks: () => z.record(name(), networkShape()).optional().describe('networks between VMs by name'),
    vms: () => z.record(name(), vm()).describe('the VMs by name'),
  };
  return z
    .strictObject(presentSchemas(tables, (key) => key === 'vms' || isPresent(key)))
    .meta(IMAGE_SOMEWHERE);
}

/** Builds the schemas of keys that are present; the others cannot occur in the validated file. */
function presentSchemas<T extends Record<string, () => z.ZodType>>(
  shape: T,
  isPresent: IsPresent,
): { [K in keyof T]: ReturnType<T[K]> } {
  const present = Object.entries(shape).filter(([key]) => isPresent(key));
  return Object.fromEntries(present.map(([key, make]) => [key, make()])) as {
    [K in keyof T]: ReturnType<T[K]>;
  };
}

/** Schema of the whole file; published as JSON Schema for editors. */
export const transientfileSchema = lazily(() => fileTable(() => true));

/** Schema for one file, without keys it does not use: building all of them would dominate the run time. */
export function schemaFor({ data }: Document): ReturnType<typeof fileTable> {
  const tables = [data, data['defaults'], ...Object.values(tableOf(data['vms']))];
  const present = new Set(tables.flatMap((table) => Object.keys(tableOf(table))));
  return fileTable((key) => present.has(key));
}

/** Keys allowed at a path of a file. */
export function keysAt(path: KeyPath): string[] {
  return Object.keys(shapeAt(path));
}

function shapeAt([table, , ...rest]: KeyPath): Record<string, unknown> {
  if (table === undefined) return transientfileSchema().shape;
  if (rest.length > 0) return {};
  if (table === 'networks') return networkShape().shape;
  if (table === 'images') return image().shape;
  return table === 'project' ? project().shape : vmTable(() => true).shape;
}
