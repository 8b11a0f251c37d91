import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { lazily } from '../lazily.ts';
import type { Layer } from '../options/layer.ts';
import type { ImageRef } from '../options/values/image-spec.ts';
import { imageSpec } from '../options/values/image-spec.ts';
import { optionValues, shapeOf } from '../options/schema.ts';
import type { OptionName, OptionValues } from '../options/table.ts';
import { OPTION_NAMES, OPTION_TABLE, defaultOf, optionsIn } from '../options/table.ts';
import type { Problem, Result } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import type { Document } from './document.ts';
import { formatDocument, parseDocument } from './document.ts';
import { layerIn, schemaProblems } from './document-layer.ts';
import { placed } from './locate.ts';

/** Stored configuration of a VM as two TOML texts: one that the Python transient reads, and our extension of it. */
export interface StoredTexts {
  readonly config: string;
  readonly ours: string;
}

/** Configuration that a VM was created with. */
export interface StoredVm {
  readonly primaryImage: ImageRef;
  /** Options set at its creation. */
  readonly layer: Layer;
  /** Whether it was created by this program, not the Python transient. */
  readonly isOurs: boolean;
  /** For a VM created by `up`, the options typed then; its other options come from the current Transientfile. */
  readonly typed: Layer | undefined;
}

/** The images of a stored VM. */
export function imagesOf({ primaryImage, layer }: StoredVm): readonly ImageRef[] {
  return [primaryImage, ...(layer.values['extra-image'] ?? [])];
}

/** Keys of a stored configuration that are not VM options: the Python writes them, but every run sets them anew. */
const NOT_OF_THE_VM = ['verbose', 'vmstore', 'image-backend', 'image-frontend', 'config'];

/** Options that are stored; the VM's name is that of its directory. */
const STORED: readonly OptionName[] = OPTION_NAMES.filter(
  (name) =>
    (optionsIn('create').includes(name) || name === 'qemu-args') &&
    !NOT_OF_THE_VM.includes(name) &&
    name !== 'name',
);

/**
 * Formats the configuration of a new VM. The first text has the Python's keys with values other than its defaults, which
 * the Python writes out and which therefore carry no information; the second has all other options.
 */
export function storedTexts(
  name: string,
  primaryImage: ImageRef,
  values: Partial<OptionValues>,
  typed?: Partial<OptionValues>,
): StoredTexts {
  const given = encoded(values);
  const pythons = Object.fromEntries(
    Object.entries(given).flatMap(([key, value]) => {
      const text = forPython(key as OptionName, value);
      return text === undefined ? [] : [[key, text]];
    }),
  ) as Record<string, unknown>;
  const config = { name, primary_image: imageSpec.encode(primaryImage), ...underscored(pythons) };
  const sorted = Object.fromEntries(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1)));
  const text = formatDocument(sorted);
  const rest = Object.entries(given).filter(([key, value]) => !isDeepStrictEqual(pythons[key], value));
  const ours = { ...Object.fromEntries(rest), ...(typed === undefined ? {} : { typed: encoded(typed) }) };
  return { config: text, ours: formatDocument({ [OF]: sumOf(text), ...ours }) };
}

/** The stored ones among the values of options, as they are written in TOML. */
function encoded(values: Partial<OptionValues>): Record<string, unknown> {
  const present = STORED.filter((option) => values[option] !== undefined);
  return z.encode(z.object(shapeOf(present)), values);
}

/** The form of an option's encoded value for the Python; undefined for a default, or an option unknown to it. */
function forPython(option: OptionName, value: unknown): unknown {
  if (OPTION_TABLE[option].unknownToPython === true || isDefault(option, value)) return undefined;
  if (!Array.isArray(value)) return value;
  // its lists hold text, not the table of a shared folder
  const texts = value.filter((item) => typeof item === 'string');
  return texts.length > 0 ? texts : undefined;
}

function isDefault(option: OptionName, value: unknown): boolean {
  return isDeepStrictEqual(value, defaultOf(option));
}

/** Key of our text with the checksum of the configuration it extends: the Python may have replaced the VM. */
const OF = 'of';

function sumOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Key of our text that marks a VM to be removed when its run ends. */
const TEMPORARY = 'temporary';

/** Formats the configuration of a temporary VM, which is never started again. */
export function temporaryTexts(name: string, primaryImage: ImageRef): StoredTexts {
  const { config } = storedTexts(name, primaryImage, {});
  return { config, ours: formatDocument({ [TEMPORARY]: true }) };
}

/** Whether our text belongs to a temporary VM. */
export function isTemporary(ours: string): boolean {
  const document = parseDocument(ours, 'ours');
  return document.ok && document.value.data[TEMPORARY] === true;
}

function underscored(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key.replaceAll('-', '_'), value]));
}

/** Schemas of stored keys. The Python stores copies too; we do not, as they belong to one session. */
const storedShape = lazily(() => shapeOf([...STORED, 'copy-in-before', 'copy-out-after']));

/**
 * Parses a VM's stored configuration, the Python's or ours; `shown` names the file in messages. Paths that we wrote are
 * absolute; those of the Python may be relative to `base`.
 */
export async function readStoredVm(
  { config, ours }: StoredTexts,
  shown: string,
  base: string,
): Promise<Result<StoredVm>> {
  const document = parseDocument(config, shown);
  if (!document.ok) return document;
  const { faults } = document.value;
  if (faults.length > 0) return failed(...(await placed(faults, document.value)));
  if (!('primary-image' in document.value.data)) return failed(noImage(shown));
  const shape = { 'primary-image': imageSpec(), ...storedShape() };
  const data = withoutForeign(document.value.data);
  const checked = z.strictObject(shape).safeParse(data, { reportInput: true });
  if (!checked.success) {
    const problems = schemaProblems(document.value, checked.error, () => Object.keys(shape));
    return failed(...(await placed(problems, document.value)));
  }
  const extension = readOurs(ours, config);
  const meant = Object.entries(optionValues(checked.data)).filter(
    ([key, value]) => !isDefault(key as OptionName, value),
  );
  const layer = (values: Partial<OptionValues>): Layer => layerIn(document.value, base, [], values);
  return ok({
    primaryImage: checked.data['primary-image'],
    layer: layer({ ...Object.fromEntries(meant), ...extension.values }),
    isOurs: extension.isOurs,
    typed: extension.typed && layer(extension.typed),
  });
}

/** Parses our extension of a configuration; a corrupt one is ignored, since the VM can start without it. */
function readOurs(
  text: string,
  config: string,
): { isOurs: boolean; values: Partial<OptionValues>; typed: Partial<OptionValues> | undefined } {
  const document = parseDocument(text, 'ours');
  const shape = storedShape();
  const schema = z.object({ [OF]: z.string(), ...shape, typed: z.object(shape).optional() });
  const checked = document.ok ? schema.safeParse(document.value.data) : undefined;
  if (checked?.success !== true || checked.data[OF] !== sumOf(config)) {
    return { isOurs: false, values: {}, typed: undefined };
  }
  const { typed, ...rest } = checked.data;
  return { isOurs: true, values: optionValues(rest), typed: typed && optionValues(typed) };
}

/** Removes keys that are not VM options. */
function withoutForeign(data: Document['data']): Record<string, unknown> {
  const foreign = new Set([...NOT_OF_THE_VM, 'name']);
  return Object.fromEntries(Object.entries(data).filter(([key]) => !foreign.has(key)));
}

function noImage(file: string): Problem {
  return {
    reason: 'missing-key',
    message: 'the VM configuration has no primary_image',
    where: { kind: 'file', file },
    hint: 'remove the VM and create it again',
  };
}
