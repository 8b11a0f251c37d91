#!/usr/bin/env node
import { looksOf, reportProblems } from './cli/report.ts';
import { print, refuse } from './entry/saying.ts';
import { SUPERVISE } from './entry/supervise-argument.ts';
import { problemOf } from './problem.ts';
import type { SupervisedProject } from './run/supervise.ts';

declare const TRANSIENT_VERSION: string;

/** What completion scripts ask us by, for names of one kind; nobody types it. */
const COMPLETE = '__complete';

async function main(argv: readonly string[]): Promise<number> {
  if (argv.length === 1 && argv[0] === '--version') return print(`transient ${TRANSIENT_VERSION}\n`);
  const [first, second] = argv;
  if (first === SUPERVISE && second !== undefined) {
    const { beSupervisor } = await import('./entry/supervised.ts');
    return beSupervisor(JSON.parse(second) as SupervisedProject);
  }
  if (first === COMPLETE) {
    const { showNames } = await import('./entry/answers.ts');
    return showNames(second ?? '');
  }
  return obey(argv);
}

/** What somebody typed. */
async function obey(argv: readonly string[]): Promise<number> {
  const looks = looksOf(process.stderr, process.env);
  const [{ parseCommandLine }, { fulfil }] = await Promise.all([
    import('./cli/program.ts'),
    import('./entry/fulfil.ts'),
  ]);
  const parsed = parseCommandLine({ argv, environment: process.env, workingDirectory: process.cwd() });
  if (!parsed.ok) return refuse(parsed.problems, looks);
  if (parsed.value.kind === 'help') return print(parsed.value.text);
  const { def, invocation, verbose } = parsed.value;
  if (verbose > 0) await traceToStderr(verbose);
  const intent = await def.intend(invocation);
  // a live screen and trace lines would write over each other
  return intent.ok
    ? fulfil(intent.value, { ...looks, live: looks.live && verbose === 0 })
    : refuse(intent.problems, looks);
}

async function traceToStderr(verbose: number): Promise<void> {
  const { onTrace } = await import('./host/trace.ts');
  onTrace(({ level, text }) => {
    if (level === 'debug' && verbose < 2) return;
    process.stderr.write(`${new Date().toISOString()} ${level.toUpperCase()} ${text}\n`);
  });
}

// a reader that went away (head, a closed terminal) is no reason to fail, nor to leave a machine running
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    reportProblems([problemOf(error)], looksOf(process.stderr, process.env));
    process.exit(1);
  },
);
