import { patience, within } from '../host/deadline.ts';
import { findProgram } from '../host/program.ts';
import { run } from '../host/run.ts';
import { problemOf } from '../problem.ts';
import type { Seen } from './finding.ts';

/** Checks for a program on PATH; with `version`, the arguments that print its version, also that it runs. */
export function program(name: string, ...version: readonly string[]): () => Promise<Seen> {
  return () => programAt(() => findProgram(name), version);
}

/** Checks for a program that is located by `find`. */
export async function programAt(
  find: () => Promise<string | undefined>,
  version: readonly string[] = [],
): Promise<Seen> {
  const path = await find().catch(() => undefined);
  if (path === undefined) return { state: 'missing', found: 'not found' };
  if (version.length === 0) return { state: 'ok', found: path };
  try {
    using deadline = within(undefined, patience('program-version'));
    const { stdout, stderr } = await run(path, version, { signal: deadline.signal });
    const reported = /\d+(\.\d+)+\w*/.exec(stdout || stderr)?.[0];
    return { state: 'ok', found: reported === undefined ? path : `${reported}, ${path}` };
  } catch (error) {
    const { reason, message, details } = problemOf(error);
    // the program that starts others has its own check
    if (reason === 'missing-program') return { state: 'ok', found: path };
    return { state: 'missing', found: details?.[0] === undefined ? message : `${message}: ${details[0]}` };
  }
}
