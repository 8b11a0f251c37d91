import * as z from 'zod';
import type { OptionName, OptionValues } from './table.ts';
import { OPTION_TABLE } from './table.ts';

type OptionShape = Record<string, z.ZodOptional>;

/**
 * The keys of options as the shape of a zod object, all optional and without defaults: a layer must tell set options
 * from unset ones.
 */
export function shapeOf(names: readonly OptionName[]): OptionShape {
  return Object.fromEntries(names.map((name) => [name, valueSchema(name).optional()]));
}

/** Schema of an option's whole value: its type, or a list of it. */
function valueSchema(name: OptionName): z.ZodType {
  const { type, merge, help: description, default: standard } = OPTION_TABLE[name];
  const value = merge === 'append' ? z.array(type()) : type();
  return value.meta({ description, ...(standard === undefined ? {} : { default: standard }) });
}

/** The options among the keys of a validated object. */
export function optionValues(checked: Readonly<Record<string, unknown>>): Partial<OptionValues> {
  const given = Object.entries(checked).filter(([key, value]) => key in OPTION_TABLE && value !== undefined);
  return Object.fromEntries(given);
}
