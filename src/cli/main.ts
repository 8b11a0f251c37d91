import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import type { Problem, Result } from '../problem.ts';
import { ok } from '../problem.ts';
import type { Invocation, PlanCommand } from './command.ts';
import { Output } from './output.ts';
import { pinnedPlan } from './build-pins.ts';
import { printPlan } from './plan-output.ts';
import { parseCommandLine } from './program.ts';

/** Executes a command line; returns the exit code. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  const output = new Output();
  if (argv.some((argument) => argument.includes(REPLACEMENT)) && !(await isCommandLineUtf8()))
    return output.fail([NOT_UTF8]);
  const parsed = parseCommandLine({ argv, environment: process.env, workingDirectory: process.cwd() });
  if (!parsed.ok) return output.fail(parsed.problems);
  if (parsed.value.kind === 'help') return output.print(parsed.value.text);
  const { def, invocation, verbose } = parsed.value;
  if (verbose > 0) await traceToStderr(verbose);
  const traced = new Output(verbose > 0);
  const exit = await ('plan' in def ? runPlanned(def, invocation, traced) : def.run(invocation, traced));
  return exit.ok ? exit.value : traced.fail(exit.problems);
}

/** Runs the plan of a command, or shows it. */
async function runPlanned(def: PlanCommand, invocation: Invocation, output: Output): Promise<Result<number>> {
  const planned = await def.plan(invocation);
  if (!planned.ok) return planned;
  if (invocation.switches['plan'] === true) return ok(await printPlan(planned.value, output));
  const pinned = await pinnedPlan(planned.value, () => def.plan(invocation), output);
  if (!pinned.ok) return pinned;
  if ('exitCode' in pinned.value) return ok(pinned.value.exitCode);
  const { perform } = await import('./perform.ts');
  return ok(await perform(pinned.value.planned, output));
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
