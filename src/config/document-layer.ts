import type * as z from 'zod';
import type { ErrorContext } from '../options/issues.ts';
import { dotted, problemsOf } from '../options/issues.ts';
import type { Layer } from '../options/layer.ts';
import { optionValues } from '../options/schema.ts';
import type { KeyPath, Problem } from '../problem.ts';
import type { Document } from './document.ts';
import { inFile } from './locate.ts';

/** Options of the table at a key path of a document, once it is decoded, as a layer. */
export function layerIn(
  document: Document,
  base: string,
  path: KeyPath,
  table: Readonly<Record<string, unknown>>,
): Layer {
  return {
    values: optionValues(table),
    where: (name) => inFile(document, [...path, name], 'value'),
    base,
  };
}

/** Problems that a schema finds in a document; `keys` are those allowed in the table at a key path. */
export function schemaProblems(
  document: Document,
  error: z.ZodError | undefined,
  keys: ErrorContext['keys'],
): Problem[] {
  if (error === undefined) return [];
  return problemsOf(error, { name: dotted, where: (path, on) => inFile(document, path, on), keys });
}
