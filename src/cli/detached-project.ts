import type { ProjectRequest } from '../daemon/submit.ts';
import type { Result } from '../problem.ts';
import { ok } from '../problem.ts';
import { listenForSignals } from '../run/signals.ts';
import { prepareLogDirectory } from './log-directory.ts';
import type { Output } from './output.ts';
import { refuseObstacles } from './preflight.ts';

/** Sends a request to the supervisor of a detached project, and prints its output; returns the exit code. */
export async function performDetached(
  request: ProjectRequest,
  output: Output,
  { logDirectory, notes = [] }: { readonly logDirectory?: string; readonly notes?: readonly string[] } = {},
): Promise<Result<number>> {
  const { plan } = request.request;
  const possible = await refuseObstacles(plan);
  if (!possible.ok) return possible;
  const signals = listenForSignals();
  if (logDirectory !== undefined) await prepareLogDirectory(logDirectory, plan);
  notes.forEach((note) => output.note(note));
  const { submit } = await import('../daemon/submit.ts');
  const exit = await submit(
    request,
    (event) => {
      if ('line' in event) output.note(event.line);
      if ('output' in event) process.stdout.write(Buffer.from(event.output, 'base64'));
    },
    signals,
  );
  return ok(exit);
}
