import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import '../zod-settings.ts';

/** A whole number within bounds, both included. */
export function integer(min: number, max: number): () => z.ZodType<number> {
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

/** Schema of text that a parser accepts, kept as it was written; the parser returns an error as a string. */
export function written(parse: (value: string) => object | string): () => z.ZodString {
  return lazily(() =>
    text().refine((value) => typeof parse(value) !== 'string', {
      error: (issue) => parse(issue.input as string) as string,
      abort: true,
    }),
  );
}
