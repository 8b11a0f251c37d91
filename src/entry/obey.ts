import { parseCommandLine } from '../cli/program.ts';
import { looksOf } from '../cli/report.ts';
import { fulfil } from './fulfil.ts';
import { print, refuse } from './saying.ts';

/** Does what somebody typed; returns our exit code. */
export async function obey(argv: readonly string[]): Promise<number> {
  const looks = looksOf(process.stderr, process.env);
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
  const { onTrace } = await import('../host/trace.ts');
  onTrace(({ level, text }) => {
    if (level === 'debug' && verbose < 2) return;
    process.stderr.write(`${new Date().toISOString()} ${level.toUpperCase()} ${text}\n`);
  });
}
