import * as z from 'zod';
import { imageSource, imageSpec, vmName } from '../options/option.ts';
import { optionShape } from '../options/schema.ts';
import type { KeyPath } from '../problem.ts';
import { memberships, networkShape } from './networks.ts';

const name = z.string().regex(/^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/, {
  error: 'must begin and end with a letter or digit and hold only letters, digits, ".", "_" and "-"',
});

const imageName = z
  .string()
  .refine((value) => value !== '' && value !== '.' && value !== '..' && !value.includes(','), {
    error: 'must be an image name without a comma',
  });

const dependency = z.union(
  [
    name,
    z.strictObject({
      vm: name.describe('a VM of this file'),
      until: z
        .enum(['started', 'ready', 'done'])
        .optional()
        .meta({ description: 'how far it must have come; done: its command ended with 0', default: 'ready' }),
    }),
  ],
  { error: 'must be the name of a VM, or a table such as { vm = "db", until = "done" }' },
);

/** What a file says of one VM that another waits for. */
export type SaidDependency = z.infer<typeof dependency>;

/** The tables of a file by their kinds. */
type Tables = ReturnType<typeof makeTables>;

function makeTables() {
  const ofVm = {
    image: imageSpec
      .optional()
      .describe('a name from [images], or an image spec: NAME or NAME,PROTOCOL=SOURCE'),
    'depends-on': z
      .array(dependency)
      .optional()
      .describe('VMs of this file that must be ready before this one boots, or started, or done'),
    networks: memberships,
    name: vmName
      .optional()
      .describe('name of the VM in the VM store, where its disks stay until "transient rm NAME"'),
    persistent: z
      .boolean()
      .optional()
      .describe('keep the VM in the VM store, by the name PROJECT-VM unless "name" gives another'),
    ...optionShape('file'),
  };
  return {
    project: z.strictObject({
      name: name
        .optional()
        .describe('name of the project, part of the name of its running VMs [default: the directory]'),
    }),
    image: z.strictObject({
      source: imageSource.describe('where the image comes from, as in an image spec: PROTOCOL=SOURCE'),
      sha256: z
        .string()
        .regex(/^[0-9a-fA-F]{64}$/, { error: 'must be a SHA-256 sum: 64 hexadecimal digits' })
        .optional()
        .describe('SHA-256 sum of what is downloaded, as sha256sum prints it'),
    }),
    vm: z.strictObject(ofVm),
    defaults: z.strictObject(ofVm),
  };
}

function makeSchemas() {
  const tables = makeTables();
  return { tables, schema: makeSchema(tables) };
}

/** For editors; brokenReferences says it better. */
const IMAGE_SOMEWHERE = {
  if: { required: ['defaults'], properties: { defaults: { required: ['image'] } } },
  else: { properties: { vms: { additionalProperties: { required: ['image'] } } } },
};

function makeSchema({ project, defaults, image, vm }: Tables) {
  const tables = z.strictObject({
    project: project.optional().describe('the project'),
    defaults: defaults.optional().describe('what every VM of this file has that its own table does not say'),
    images: z.record(imageName, image).optional().describe('images by name'),
    networks: z.record(name, networkShape).optional().describe('networks between VMs by name'),
    vms: z.record(name, vm).describe('the VMs by name'),
  });
  return tables.meta(IMAGE_SOMEWHERE);
}

let made: ReturnType<typeof makeSchemas> | undefined;

/** Made when it is first asked for: most commands read no file, and making it takes them some milliseconds. */
function schemas(): NonNullable<typeof made> {
  return (made ??= makeSchemas());
}

/** The whole file; its JSON Schema is published for editors. */
export function transientfileSchema(): ReturnType<typeof makeSchema> {
  return schemas().schema;
}

/** The keys that there can be at a place of a file. */
export function keysAt(path: KeyPath): string[] {
  return Object.keys(shapeAt(path));
}

function shapeAt([table, , ...rest]: KeyPath): Record<string, unknown> {
  const { tables, schema } = schemas();
  if (table === undefined) return schema.shape;
  if (rest.length > 0) return {};
  if (table === 'networks') return networkShape.shape;
  if (table === 'vms') return tables.vm.shape;
  if (table === 'images') return tables.image.shape;
  return table === 'project' ? tables.project.shape : tables.defaults.shape;
}
