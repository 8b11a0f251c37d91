import * as z from 'zod';
import { lazily } from '../lazily.ts';
import { imageSource, imageSpec, vmName } from '../options/option.ts';
import { shapeOf } from '../options/schema.ts';
import { optionsIn } from '../options/table.ts';
import type { KeyPath } from '../problem.ts';
import type { Document } from './document.ts';
import { memberships, networkShape } from './networks.ts';
import { tableOf } from './vm-keys.ts';

const name = lazily(() =>
  z.string().regex(/^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/, {
    error: 'must begin and end with a letter or digit and hold only letters, digits, ".", "_" and "-"',
  }),
);

const imageName = lazily(() =>
  z.string().refine((value) => value !== '' && value !== '.' && value !== '..' && !value.includes(','), {
    error: 'must be an image name without a comma',
  }),
);

const dependency = lazily(() =>
  z.union(
    [
      name(),
      z.strictObject({
        vm: name().describe('a VM of this file'),
        until: z.enum(['started', 'ready', 'done']).optional().meta({
          description: 'how far it must have come; done: its command ended with 0',
          default: 'ready',
        }),
      }),
    ],
    { error: 'must be the name of a VM, or a table such as { vm = "db", until = "done" }' },
  ),
);

/** What a file says of one VM that another waits for. */
export type SaidDependency = z.infer<ReturnType<typeof dependency>>;

const project = lazily(() =>
  z.strictObject({
    name: name()
      .optional()
      .describe('name of the project, part of the name of its running VMs [default: the directory]'),
  }),
);

const image = lazily(() =>
  z.strictObject({
    source: imageSource().describe('where the image comes from, as in an image spec: PROTOCOL=SOURCE'),
    sha256: z
      .string()
      .regex(/^[0-9a-fA-F]{64}$/, { error: 'must be a SHA-256 sum: 64 hexadecimal digits' })
      .optional()
      .describe('SHA-256 sum of what is downloaded, as sha256sum prints it'),
  }),
);

/** The keys of a VM that are no options of one. */
const OF_VM = {
  image: () =>
    imageSpec().optional().describe('a name from [images], or an image spec: NAME or NAME,PROTOCOL=SOURCE'),
  'depends-on': () =>
    z
      .array(dependency())
      .optional()
      .describe('VMs of this file that must be ready before this one boots, or started, or done'),
  networks: memberships,
  name: () =>
    vmName()
      .optional()
      .describe('name of the VM in the VM store, where its disks stay until "transient rm NAME"'),
  persistent: () =>
    z
      .boolean()
      .optional()
      .describe('keep the VM in the VM store, by the name PROJECT-VM unless "name" gives another'),
};

/** Whether a key stands in some table of a file. */
type IsSaid = (key: string) => boolean;

function vmTable(isSaid: IsSaid) {
  return z.strictObject({ ...made(OF_VM, isSaid), ...shapeOf(optionsIn('file').filter(isSaid)) });
}

/** For editors; brokenReferences says it better. */
const IMAGE_SOMEWHERE = {
  if: { required: ['defaults'], properties: { defaults: { required: ['image'] } } },
  else: { properties: { vms: { additionalProperties: { required: ['image'] } } } },
};

function fileTable(isSaid: IsSaid) {
  const vm = lazily(() => vmTable(isSaid));
  const tables = {
    project: () => project().optional().describe('the project'),
    defaults: () =>
      vm().optional().describe('what every VM of this file has that its own table does not say'),
    images: () => z.record(imageName(), image()).optional().describe('images by name'),
    networks: () => z.record(name(), networkShape()).optional().describe('networks between VMs by name'),
    vms: () => z.record(name(), vm()).describe('the VMs by name'),
  };
  return z.strictObject(made(tables, (key) => key === 'vms' || isSaid(key))).meta(IMAGE_SOMEWHERE);
}

/** The schemas of the keys that are said; the others are missing, as they are in what is checked. */
function made<T extends Record<string, () => z.ZodType>>(
  shape: T,
  isSaid: IsSaid,
): { [K in keyof T]: ReturnType<T[K]> } {
  const said = Object.entries(shape).filter(([key]) => isSaid(key));
  return Object.fromEntries(said.map(([key, make]) => [key, make()])) as {
    [K in keyof T]: ReturnType<T[K]>;
  };
}

/** The whole file; its JSON Schema is published for editors. */
export const transientfileSchema = lazily(() => fileTable(() => true));

/** What checks one file: schemas of what it does not say would take longer to make than all else. */
export function schemaFor({ data }: Document): ReturnType<typeof fileTable> {
  const tables = [data, data['defaults'], ...Object.values(tableOf(data['vms']))];
  const said = new Set(tables.flatMap((table) => Object.keys(tableOf(table))));
  return fileTable((key) => said.has(key));
}

/** The keys that there can be at a place of a file. */
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
