import { resolve } from 'node:path';
import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import type { ValueType } from './value-type.ts';

/** A whole number within bounds, both included. */
export function integer(min: number, max: number): ValueType<number> {
  return lazily(() => z.int().min(min).max(max));
}

/** Schema of a boolean switch. */
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

/** Non-empty text without NUL, which a program argument cannot contain. */
export const text = lazily(() =>
  z
    .string()
    .min(1, { abort: true })
    .refine((value) => !value.includes('\0'), { error: 'must not contain a NUL character' }),
);

/** A host path, relative to the file that sets it or to the working directory. */
export const hostPath: ValueType<string> = Object.assign(() => text(), {
  absolute: (path: string, base: string) => resolve(base, path),
});
