import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jsonSchema } from '../../config/json-schema.ts';
import { transientfileSchema } from '../../config/transientfile-schema.ts';
import { TRANSIENTFILE } from '../../config/transientfile.ts';
import { problemsOf } from '../../options/issues.ts';
import type { ImageRef } from '../../options/values/image-spec.ts';
import { imageSpec } from '../../options/values/image-spec.ts';
import type { Problem, Result, Where } from '../../problem.ts';
import { errorCode, failed, ok, systemMessage } from '../../problem.ts';
import { askFor, sensibleAnswers } from './questions.ts';
import type { InitAnswers } from './text.ts';
import { SCHEMA_FILE, transientfileText } from './text.ts';

/**
 * Writes a Transientfile and, for editors, its schema; returns a note for the user. With `ask`, answers that are not given
 * are asked for if stdin is a terminal. `find` looks the image up.
 */
export async function initProject(
  directory: string,
  given: Partial<InitAnswers>,
  ask: boolean,
  find: (image: ImageRef) => Promise<Result<unknown>>,
  signal: AbortSignal,
): Promise<Result<string>> {
  const path = join(directory, TRANSIENTFILE);
  if (existsSync(path)) return failed(alreadyExists(path));
  const givenProblems = problemsIn(given);
  if (givenProblems.length > 0) return failed(...givenProblems);
  const sensible = await sensibleAnswers(directory);
  const answers =
    ask && process.stdin.isTTY
      ? await askFor(given, sensible, () => process.kill(process.pid, 'SIGINT'), signal)
      : { ...sensible, ...given };
  const problems = problemsIn(answers);
  if (problems.length > 0) return failed(...problems);
  const found = await find(imageSpec().parse(answers.image));
  if (!found.ok) return failed(...found.problems.map((problem) => ({ ...problem, where: ofFlag('image') })));
  return write(directory, path, transientfileText(answers));
}

async function write(directory: string, path: string, text: string): Promise<Result<string>> {
  try {
    await writeFile(path, text, { flag: 'wx' });
    // a copy in the project, so that editors find it offline and in every checkout
    const schema = jsonSchema(TRANSIENTFILE, transientfileSchema());
    await writeFile(join(directory, SCHEMA_FILE), schema, { flag: 'wx' }).catch((error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
    return ok(`Wrote ${TRANSIENTFILE}; transient plan prints what transient up does with it`);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return failed(alreadyExists(path));
    return failed({ reason: 'host', message: `cannot write ${path}: ${systemMessage(error)}` });
  }
}

function alreadyExists(path: string): Problem {
  return {
    reason: 'conflict',
    message: `${path} already exists`,
    hint: 'edit it, or remove it first',
  };
}

function ofFlag(name: keyof InitAnswers): Where {
  return { kind: 'flag', flag: `--${name}` };
}

/** Validates answers; problems name the corresponding flag. */
function problemsIn({ name, image, memory, command }: Partial<InitAnswers>): Problem[] {
  const document = {
    ...(name === undefined ? {} : { project: { name } }),
    vms: {
      main: {
        image: image ?? 'base',
        ...(memory === undefined ? {} : { memory }),
        ...(command === undefined ? {} : { 'ssh-command': command }),
      },
    },
  };
  const checked = transientfileSchema().safeParse(document, { reportInput: true });
  if (checked.success) return [];
  const flagOf = (path: readonly (string | number)[]): string =>
    `--${String(path.at(-1)).replace('ssh-command', 'command')}`;
  return problemsOf(checked.error, {
    name: flagOf,
    where: (path) => ({ kind: 'flag', flag: flagOf(path) }),
    keys: () => [],
  });
}
