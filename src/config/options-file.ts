import { dirname, resolve } from 'node:path';
import * as z from 'zod';
import { dotted, problemsOf } from '../options/issues.ts';
import type { Layer } from '../options/layer.ts';
import { optionShape, optionValues } from '../options/schema.ts';
import type { Result } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import { readDocument } from './document.ts';
import { inFile, placed } from './locate.ts';

function nameShape(): ReturnType<typeof optionShape> {
  const { name } = optionShape('create');
  return name === undefined ? {} : { name };
}

/** Reads the file given with `--config`: options of one VM, and optionally its name, as top-level TOML keys. */
export async function loadOptionsFile(path: string, workingDirectory: string): Promise<Result<Layer>> {
  const document = readDocument(resolve(workingDirectory, path), path);
  if (!document.ok) return document;
  const shape = { ...optionShape('file'), ...nameShape() };
  const checked = z.strictObject(shape).safeParse(document.value.data, { reportInput: true });
  const { faults } = document.value;
  if (!checked.success || faults.length > 0) {
    const problems = checked.success
      ? []
      : problemsOf(checked.error, {
          name: dotted,
          where: (at, on) => inFile(document.value, at, on),
          keys: () => Object.keys(shape),
        });
    return failed(...(await placed([...faults, ...problems], document.value)));
  }
  return ok({
    values: optionValues(checked.data),
    where: (name, index) => inFile(document.value, [name, ...(index === undefined ? [] : [index])], 'value'),
    base: dirname(resolve(workingDirectory, path)),
  });
}
