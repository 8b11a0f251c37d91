import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import type { Problem, Result } from '../../problem.ts';
import { failed, ok } from '../../problem.ts';
import '../zod-settings.ts';

/** Type of an option value: its zod schema, from the form in TOML to the parsed value, built on first use. */
export interface ValueType<T = unknown> {
  (): z.ZodType<T>;
  /** Makes the host path in a value absolute; one that is relative is relative to `base`. */
  absolute?(value: T, base: string): T;
}

/** Reports why an input is not a value, with the words that follow its name: "must be …". */
export type Fail = (message: string) => never;

/** Syntax of a value: how it is written in TOML or as an operand. */
export interface Syntax<T, Input = string> {
  readonly decode: (input: Input, fail: Fail) => T;
  readonly encode: (value: T) => Input;
  readonly absolute?: (value: T, base: string) => T;
}

/** Value type with a syntax: `input` is the schema of what is written, before it is decoded. */
export function codec<T, Input = string>(
  input: () => z.ZodType<Input>,
  syntax: Syntax<T, Input>,
): ValueType<T> & Syntax<T, Input> {
  const schema = lazily(() =>
    z.codec(input(), z.custom<T>(), {
      decode: (written, { issues }) =>
        syntax.decode(written, (message) => {
          issues.push({ code: 'custom', input: written, message });
          return z.NEVER;
        }),
      encode: syntax.encode,
    }),
  );
  return Object.assign(schema, syntax);
}

/** Decodes an operand of the command line; `problemOf` makes a problem of why it is not a value. */
export function decodeOperand<T>(
  { decode }: Syntax<T>,
  operand: string,
  problemOf: (message: string) => Problem,
): Result<T> {
  const problems: Problem[] = [];
  const value = decode(operand, (message) => {
    problems.push(problemOf(message));
    return undefined as never;
  });
  return problems.length > 0 ? failed(...problems) : ok(value);
}

/** The value with its host path, if its type holds one, made absolute. */
export function absolute<T>(type: ValueType<T>, value: T, base: string): T {
  return type.absolute?.(value, base) ?? value;
}
