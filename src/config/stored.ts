import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { dotted, problemsOf } from '../options/issues.ts';
import type { Layer } from '../options/layer.ts';
import { imageSpec } from '../options/option.ts';
import { withoutPasswords } from '../options/password.ts';
import { optionValues, shapeOf } from '../options/schema.ts';
import type { OptionName, OptionValues } from '../options/table.ts';
import { OPTION_NAMES, OPTION_TABLE, optionsIn } from '../options/table.ts';
import type { Problem, Result } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import type { Document } from './document.ts';
import { formatDocument, parseDocument } from './document.ts';
import { inFile, placed } from './locate.ts';

/** What is kept of a VM's creation, as two TOML texts: one that the Python transient reads, and what is ours beside it. */
export interface StoredTexts {
  readonly config: string;
  readonly ours: string;
}

/** What a VM was created with. */
export interface StoredVm {
  readonly primaryImage: string;
  /** All that was said at its creation. */
  readonly layer: Layer;
  /** Whether we created it, and not the Python. */
  readonly isOurs: boolean;
  /** Of a VM that `up` created, what was typed then; the rest of it is what the Transientfile says today. */
  readonly typed: Layer | undefined;
}

/** Keys of a stored configuration that are no options of a VM: the Python writes them, and each run says them anew. */
const NOT_OF_THE_VM = ['verbose', 'vmstore', 'image-backend', 'image-frontend', 'config'];

/** The options that are stored; a VM's name is its directory's. */
const STORED: readonly OptionName[] = OPTION_NAMES.filter(
  (name) =>
    (optionsIn('create').includes(name) || name === 'qemu-args') &&
    !NOT_OF_THE_VM.includes(name) &&
    name !== 'name',
);

/**
 * What creating a VM writes. Of the Python's keys the first text has those with another value than the Python's own
 * default, which it writes out and which therefore means nothing there; the second has the rest of what was said.
 */
export function storedTexts(
  name: string,
  primaryImage: string,
  values: Partial<OptionValues>,
  typedValues?: Partial<OptionValues>,
): StoredTexts {
  const said = withoutSecrets(values);
  const typed = typedValues && withoutSecrets(typedValues);
  const pythons = Object.fromEntries(STORED.map((option) => [option, forPython(option, said[option])]));
  const isPythons = (option: OptionName): boolean => pythons[option] !== undefined;
  const isWhole = (option: OptionName): boolean => isDeepStrictEqual(pythons[option], said[option]);
  const config = {
    name,
    primary_image: withoutPasswords(primaryImage),
    ...underscored(pick(pythons, isPythons)),
  };
  const sorted = Object.fromEntries(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1)));
  const text = formatDocument(sorted);
  const rest = {
    ...pick(said, (option) => !isWhole(option)),
    ...(typed === undefined ? {} : { typed: pick(typed, () => true) }),
  };
  return { config: text, ours: formatDocument({ [OF]: sumOf(text), ...rest }) };
}

/** The images have been retrieved when a VM is created: the passwords that this took are not kept. */
function withoutSecrets(values: Partial<OptionValues>): Partial<OptionValues> {
  const extra = values['extra-image'];
  return extra === undefined ? values : { ...values, 'extra-image': extra.map(withoutPasswords) };
}

/** What the Python is to read of an option: nothing where it would say nothing, or of what the Python does not know. */
function forPython(option: OptionName, value: OptionValues[OptionName] | undefined): unknown {
  if (OPTION_TABLE[option].unknownToPython === true || isDefault(option, value)) return undefined;
  if (option !== 'shared-folder') return value;
  const plain = (value as OptionValues['shared-folder'] | undefined)?.filter(
    (one) => typeof one === 'string',
  );
  return plain !== undefined && plain.length > 0 ? plain : undefined;
}

/** Key of our text that ties it to a configuration: the Python can put another VM in the place of one that we created. */
const OF = 'of';

function sumOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Key of our text by which a VM is known that is removed when its run ends. */
const TEMPORARY = 'temporary';

/** What creating a VM writes that is gone when its run ends: nobody starts it a second time. */
export function temporaryTexts(name: string, primaryImage: string): StoredTexts {
  const { config } = storedTexts(name, primaryImage, {});
  return { config, ours: formatDocument({ [TEMPORARY]: true }) };
}

/** Whether our text is that of a VM which is gone when its run ends. */
export function isTemporary(ours: string): boolean {
  const document = parseDocument(ours, 'ours');
  return document.ok && document.value.data[TEMPORARY] === true;
}

function pick(
  values: Partial<OptionValues>,
  wanted: (option: OptionName) => boolean,
): Record<string, unknown> {
  const picked = STORED.filter((option) => values[option] !== undefined && wanted(option));
  return Object.fromEntries(picked.map((option) => [option, values[option]]));
}

function underscored(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key.replaceAll('-', '_'), value]));
}

function isDefault(option: OptionName, value: unknown): boolean {
  const { merge, default: standard } = OPTION_TABLE[option];
  return merge === 'append' ? (value as unknown[] | undefined)?.length === 0 : value === standard;
}

/** The Python stores copies, too; ours are said anew for each session. */
function storedShape(): ReturnType<typeof shapeOf> {
  return (madeShape ??= shapeOf([...STORED, 'copy-in-before', 'copy-out-after']));
}

let madeShape: ReturnType<typeof shapeOf> | undefined;

/**
 * A VM's stored configuration, the Python's or ours; `shown` names the file in messages. Paths that we wrote are
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
  const { 'primary-image': primaryImage, ...values } = withoutForeign(document.value.data);
  const schema = z.strictObject({ 'primary-image': imageSpec(), ...storedShape() });
  const checked = schema.safeParse({ 'primary-image': primaryImage, ...values }, { reportInput: true });
  if (!checked.success) {
    const problems = problemsOf(checked.error, subjectIn(document.value));
    return failed(...(await placed(problems, document.value)));
  }
  const own = readOurs(ours, config);
  const meant = Object.entries(optionValues(checked.data)).filter(
    ([key, value]) => !isDefault(key as OptionName, value),
  );
  const layer = (said: Partial<OptionValues>): Layer => ({
    values: said,
    where: (name) => ({ kind: 'file', file: shown, path: [name] }),
    base,
  });
  return ok({
    primaryImage: checked.data['primary-image'],
    layer: layer({ ...Object.fromEntries(meant), ...own.said }),
    isOurs: own.isOurs,
    typed: own.typed && layer(own.typed),
  });
}

/** What is only ours is written by us alone; were it spoilt, the VM would still start without it. */
function readOurs(
  text: string,
  config: string,
): { isOurs: boolean; said: Partial<OptionValues>; typed: Partial<OptionValues> | undefined } {
  const document = parseDocument(text, 'ours');
  const shape = storedShape();
  const schema = z.object({ [OF]: z.string(), ...shape, typed: z.object(shape).optional() });
  const checked = document.ok ? schema.safeParse(document.value.data) : undefined;
  if (checked?.success !== true || checked.data[OF] !== sumOf(config)) {
    return { isOurs: false, said: {}, typed: undefined };
  }
  const { typed, ...said } = checked.data;
  return { isOurs: true, said: optionValues(said), typed: typed && optionValues(typed) };
}

/** Without the keys that say nothing of the VM. */
function withoutForeign(data: Document['data']): Record<string, unknown> {
  const foreign = new Set([...NOT_OF_THE_VM, 'name']);
  return Object.fromEntries(Object.entries(data).filter(([key]) => !foreign.has(key)));
}

function noImage(file: string): Problem {
  return {
    reason: 'missing-key',
    message: 'the configuration of the VM says no primary_image',
    where: { kind: 'file', file },
    hint: 'remove the VM and create it again',
  };
}

function subjectIn(document: Document): Parameters<typeof problemsOf>[1] {
  return {
    name: dotted,
    where: (path, on) => inFile(document, path, on),
    keys: () => ['primary-image', ...Object.keys(storedShape())],
  };
}
