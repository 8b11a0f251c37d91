import type { ProjectRequest } from '../daemon/submit.ts';
import { listenForSignals } from '../run/signals.ts';
import { prepareLogDirectory } from './log-directory.ts';
import type { Output } from './output.ts';
import { obstaclesTo } from './preflight.ts';

/** Sends a request to the supervisor of a detached project, and prints its output; returns the exit code. */
export async function performDetached(
  request: ProjectRequest,
  output: Output,
  { logDirectory, notes = [] }: { readonly logDirectory?: string; readonly notes?: readonly string[] } = {},
): Promise<number> {
  const { plan } = request.request;
  const obstacles = await obstaclesTo(plan);
  if (obstacles.length > 0) return output.fail(obstacles.map(({ problem }) => problem));
  const signals = listenForSignals();
  if (logDirectory !== undefined) await prepareLogDirectory(logDirectory, plan);
  notes.forEach((note) => output.note(note));
  const { submit } = await import('../daemon/submit.ts');
  return submit(
    request,
    (event) => {
      if ('line' in event) output.note(event.line);
      if ('output' in event) process.stdout.write(Buffer.from(event.output, 'base64'));
    },
    signals,
  );
}
