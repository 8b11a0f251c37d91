import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { parseCommandLine } from './program.ts';
import { looksOf, type Looks } from './report.ts';
import { fulfil } from './fulfil.ts';
import type { Problem } from '../problem.ts';
import { print, printProblems } from './output.ts';

/** Executes a command line; returns the exit code. */
export async function obey(argv: readonly string[]): Promise<number> {
  const looks = (): Looks => looksOf(process.stderr, process.env);
  if (argv.some((argument) => argument.includes(REPLACEMENT)) && !(await isCommandLineUtf8()))
    return printProblems([NOT_UTF8], looks());
  const parsed = parseCommandLine({ argv, environment: process.env, workingDirectory: process.cwd() });
  if (!parsed.ok) return printProblems(parsed.problems, looks());
  if (parsed.value.kind === 'help') return print(parsed.value.text);
  const { def, invocation, verbose } = parsed.value;
  if (verbose > 0) await traceToStderr(verbose);
  const intent = await def.intend(invocation);
  // a live screen and trace lines would overwrite each other
  return intent.ok
    ? fulfil(intent.value, verbose === 0 ? looks : () => ({ ...looks(), live: false }))
    : printProblems(intent.problems, looks());
}

/** Replacement character, which Node substitutes for invalid UTF-8. */
const REPLACEMENT = '\u{fffd}';

const NOT_UTF8: Problem = {
  reason: 'usage',
  message: 'the command line contains bytes that are not UTF-8',
  where: { kind: 'flag', flag: 'argv' },
  hint: 'use escapes that the guest understands, e.g. of printf, or copy a file with them into the guest',
};

/** Checks the raw command line from the kernel; true if it cannot be read. */
async function isCommandLineUtf8(): Promise<boolean> {
  return readFile('/proc/self/cmdline').then(isUtf8, () => true);
}

async function traceToStderr(verbose: number): Promise<void> {
  const { onTrace } = await import('../host/trace.ts');
  onTrace(({ level, text }) => {
    if (level === 'debug' && verbose < 2) return;
    process.stderr.write(`${new Date().toISOString()} ${level.toUpperCase()} ${text}\n`);
  });
}
