import * as z from 'zod';
import { shapeOf } from '../../src/options/schema.ts';
import type { OptionName, OptionValues } from '../../src/options/table.ts';

/** Options as they are written in TOML. */
export type WrittenOptions = Readonly<Partial<Record<OptionName, unknown>>>;

/** The values of options that are written like this. */
export function optionValuesOf(written: WrittenOptions): Partial<OptionValues> {
  return z.strictObject(shapeOf(Object.keys(written) as OptionName[])).parse(written);
}
