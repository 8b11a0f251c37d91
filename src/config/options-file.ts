import { dirname, resolve } from 'node:path';
import * as z from 'zod';
import type { Layer } from '../options/layer.ts';
import { shapeOf } from '../options/schema.ts';
import { optionsIn } from '../options/table.ts';
import type { Result } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import { layerIn, schemaProblems } from './document-layer.ts';
import { readDocument } from './document.ts';
import { placed } from './locate.ts';

/** Reads the file given with `--config`: options of one VM, and optionally its name, as top-level TOML keys. */
export async function loadOptionsFile(path: string, workingDirectory: string): Promise<Result<Layer>> {
  const document = readDocument(resolve(workingDirectory, path), path);
  if (!document.ok) return document;
  const shape = shapeOf([...optionsIn('file'), 'name']);
  const checked = z.strictObject(shape).safeParse(document.value.data, { reportInput: true });
  const problems = [
    ...document.value.faults,
    ...schemaProblems(document.value, checked.error, () => Object.keys(shape)),
  ];
  if (!checked.success || problems.length > 0) return failed(...(await placed(problems, document.value)));
  return ok(layerIn(document.value, dirname(resolve(workingDirectory, path)), [], checked.data));
}
