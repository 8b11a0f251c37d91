import { patience, within } from '../host/deadline.ts';
import { findProgram } from '../host/program.ts';
import { run } from '../host/run.ts';
import { problemOf } from '../problem.ts';
import type { Seen } from './finding.ts';

/** Looks for a program on PATH; with `version`, the arguments that make it say its version, also whether it runs. */
export function program(name: string, ...version: readonly string[]): () => Promise<Seen> {
  return () => programAt(() => findProgram(name), version);
}

/** The same for a program that has its own ways of being found. */
export async function programAt(
  find: () => Promise<string | undefined>,
  version: readonly string[] = [],
): Promise<Seen> {
  const path = await find().catch(() => undefined);
  if (path === undefined) return { state: 'missing', found: 'not found' };
  if (version.length === 0) return { state: 'ok', found: path };
  try {
    using late = within(undefined, patience('program-version'));
    const { stdout, stderr } = await run(path, version, { signal: late.signal });
    const said = /\d+(\.\d+)+\w*/.exec(stdout || stderr)?.[0];
    return { state: 'ok', found: said === undefined ? path : `${said}, ${path}` };
  } catch (error) {
    const { reason, message, details } = problemOf(error);
    // what we start programs with is looked for by itself
    if (reason === 'missing-program') return { state: 'ok', found: path };
    return { state: 'missing', found: details?.[0] === undefined ? message : `${message}: ${details[0]}` };
  }
}
